"""Topmail: webhooks."""
