"""Use cases of contacts and events, and the writes that keep everything derived from contacts current."""
