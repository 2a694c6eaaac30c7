"""The process that serves: granian, the ASGI application around Litestar, the operator pages, the proxy."""
