"""The version, from the installed distribution's metadata."""

__version__ = "1.0.0.dev0"
