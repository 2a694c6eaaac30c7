"""Measures what a fleet of processes costs a database in the background, by processes and workspaces."""
