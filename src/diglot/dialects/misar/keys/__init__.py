"""Misar: API keys."""
