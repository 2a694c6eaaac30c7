"""Rows of segments, lists, tags and events."""
