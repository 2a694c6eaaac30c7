"""References between segments: the graph of them, and the causes that they give to changes."""
