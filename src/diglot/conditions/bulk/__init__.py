"""Evaluates many conditions for many contacts at once: one bit a contact."""
