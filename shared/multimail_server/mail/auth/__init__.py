"""Sender authentication: DKIM, SPF, DMARC and ARC."""
