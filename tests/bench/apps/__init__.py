"""Apps that Diglot is compared with: a bare ASGI app and FastAPI, which send the same responses."""
