"""The membership log read back: the members of a segment at an earlier instant, and the feed of changes."""
