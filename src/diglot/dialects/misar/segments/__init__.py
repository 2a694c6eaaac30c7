"""Misar: segments."""
