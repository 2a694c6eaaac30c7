"""Domain values: frozen, without HTTP and without SQL."""
