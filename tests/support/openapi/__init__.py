"""Recorded HTTP exchanges, and the OpenAPI documents to compare them with."""
