"""Topmail: tags."""
