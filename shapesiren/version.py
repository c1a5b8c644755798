"""The version of the package, for everything that writes it into what it makes."""

__version__ = "0.1.0"
