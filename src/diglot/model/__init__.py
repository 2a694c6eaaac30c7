"""Domain values: immutable, independent of HTTP and SQL."""
