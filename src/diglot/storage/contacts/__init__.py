"""Rows of contacts: queries by key and scans by condition."""
