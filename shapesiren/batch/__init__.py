"""Many inputs: jobs from files or a manifest, engines that run them, results that add up to a summary."""
