"""The only layer that touches a database. Everything above hands it domain values."""
