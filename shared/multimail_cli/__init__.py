"""The command line and the demo: the only code that knows all the rest."""
