"""What a person sees of a file before it is imported: its columns, some cells, and the tool it is from."""
