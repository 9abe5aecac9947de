"""Trust: evidence about a message, the label it earns, and what it may cause.

Pure: nothing in this package does I/O or knows HTTP.
"""
