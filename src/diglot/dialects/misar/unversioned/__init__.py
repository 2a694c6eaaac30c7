"""Misar: the un-versioned paths."""
