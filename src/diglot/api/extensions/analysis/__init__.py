"""Questions about segments as a whole, in every dialect."""
