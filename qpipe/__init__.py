"""qpipe: turn messy data feeds into data people can trust."""

__version__ = "0.1.0"
