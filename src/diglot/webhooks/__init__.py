"""Sends what is on its way to webhooks: the only part that speaks HTTP as a client of its own accord."""
