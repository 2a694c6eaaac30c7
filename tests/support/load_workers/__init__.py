"""Clients that write at random and know what must be there."""
