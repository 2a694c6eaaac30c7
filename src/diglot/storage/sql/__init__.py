"""Databases: engines, their SQL dialects, statements and units of work."""
