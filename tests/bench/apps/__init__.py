"""What Diglot is measured beside: the same answers from a bare ASGI app and from FastAPI."""
