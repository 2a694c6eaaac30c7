"""Vendor rules: the words of a dialect, and how conditions are read and written with them."""
