"""Exports: contacts as files, for people and for other tools."""
