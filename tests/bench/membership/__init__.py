"""Membership at a million contacts: counts, pages, refreshes, writes, memory, each beside another way."""
