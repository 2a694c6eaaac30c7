"""Misar: contacts."""
