"""Reads and validates the headers, query strings and bodies of requests."""
