"""Stage ``decode``: a field back to samples, on a grid of the user's choice."""
