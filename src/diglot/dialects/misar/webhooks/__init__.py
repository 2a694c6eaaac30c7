"""Misar: webhooks."""
