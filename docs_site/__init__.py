"""The site of the documentation: generated pages and pictures. See scripts/docs."""
