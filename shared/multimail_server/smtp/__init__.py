"""Receiving mail over SMTP."""
