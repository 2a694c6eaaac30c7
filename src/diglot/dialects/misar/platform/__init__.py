"""Misar: the contacts platform."""
