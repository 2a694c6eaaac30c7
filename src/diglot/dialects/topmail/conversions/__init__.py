"""Topmail: conversions."""
