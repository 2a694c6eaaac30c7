"""Rows of keys, sessions, rate counts and idempotent responses."""
