"""Schemathesis against a running server: what it is told, and which refusals are right."""
