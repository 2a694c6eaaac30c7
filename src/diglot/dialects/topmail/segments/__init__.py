"""Topmail: segments."""
