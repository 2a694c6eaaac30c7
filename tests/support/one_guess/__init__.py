"""Pretend things that are added to a copy of the sources, and probes that use them from end to end."""
