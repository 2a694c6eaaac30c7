"""Rows of contacts, and queries and scans over them."""
