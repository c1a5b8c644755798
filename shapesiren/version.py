"""The version of the package, for everything that writes it into what it makes."""

__version__ = "1.0.0rc1"
