"""The documentation's site: the pages that code writes, and the pictures. See scripts/docs."""
