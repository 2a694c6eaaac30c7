"""Archives: a whole workspace in one file."""
