"""The process that serves: granian, the ASGI application around Litestar, the upstream proxy, the console."""
