"""Topmail: contacts."""
