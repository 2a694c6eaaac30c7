"""Imports of files of any size, as jobs."""
