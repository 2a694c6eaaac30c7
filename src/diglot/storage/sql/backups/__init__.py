"""Copies of an embedded database."""
