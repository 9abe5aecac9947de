"""Measurements of the embedded server: start, memory, a page of the inbox, durable sends."""
