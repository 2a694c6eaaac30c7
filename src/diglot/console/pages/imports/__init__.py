"""Imports of files: the list with the form for a file, the review of columns, and what became of rows."""
