"""The version of the whole distribution; the build reads it here."""

__version__ = "1.0.0.dev0"
