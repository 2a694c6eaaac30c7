"""Recorded HTTP exchanges, and the OpenAPI documents that they are compared with."""
