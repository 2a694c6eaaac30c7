"""Use cases of segments, lists and tags."""
