"""The only layer that touches a database. Callers pass and receive domain values."""
