"""Computed fields in conditions: their values for a contact at an instant, and what rules about them mean."""
