"""Schemathesis against a running server: its configuration, and the rejections that are right."""
