"""Topmail: lists."""
