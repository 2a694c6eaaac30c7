"""Measures conditions about events, with their bars."""
