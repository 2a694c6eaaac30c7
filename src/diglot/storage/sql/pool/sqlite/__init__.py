"""The connections of a SQLite file: one that writes, several that read, each on a thread of its own."""
