"""The condition model: tree, field catalogue, checks and the compiler to Python."""
