"""Topmail: the audience API of TopMail, under `/api/v1`."""
