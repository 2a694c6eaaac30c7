"""Membership with a million contacts: counts, pages, refreshes, writes and memory, each with a comparison."""
