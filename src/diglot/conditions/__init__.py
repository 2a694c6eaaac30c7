"""The condition model: the tree, the catalogue of fields, and the one door that checks."""
