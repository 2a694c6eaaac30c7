"""Rows of memberships: chunks of bitmaps, the log, the index of instants."""
