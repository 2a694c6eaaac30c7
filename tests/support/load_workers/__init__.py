"""Clients that write at random and know the expected contents of the database."""
