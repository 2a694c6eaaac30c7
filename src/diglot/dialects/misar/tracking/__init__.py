"""Misar: tracked events and purchases."""
