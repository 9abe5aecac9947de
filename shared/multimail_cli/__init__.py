"""The command line and the demo. They can import every other package of the project."""
