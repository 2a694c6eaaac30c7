"""Sends deliveries to webhooks; the only package that connects to their receivers."""
