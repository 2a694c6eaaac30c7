"""Rows of imports that run as jobs."""
