"""Calls that Diglot adds to the vendors' APIs, each once for all dialects."""
