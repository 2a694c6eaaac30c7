"""Diglot: two e-mail vendors' audience APIs over one store."""

__version__ = "0.1.0"
