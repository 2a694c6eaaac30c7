"""Rows of memberships: chunks of bitmaps, the log and its sums, the instant index."""
