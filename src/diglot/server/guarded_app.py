"""An app whose clients' connections are watched as long as it runs."""

import asyncio
from contextlib import suppress

from diglot.server.asgi import App, Receive, Scope, Send
from diglot.server.granian_options import make_room
from diglot.server.guards.connections import ConnectionWatch
from diglot.settings import Settings


class GuardedApp:
    """Wraps the app of a process that listens on a port."""

    def __init__(self, app: App, port: int, settings: Settings) -> None:
        self._app = app
        self._watch = ConnectionWatch(
            port,
            # All connections of a proxy have its address.
            limit=0 if settings.trusted_proxies else settings.connections_per_address,
            room=make_room(),
            send_seconds=settings.send_timeout,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; the watch begins and ends with the lifespan."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        watching = asyncio.create_task(self._watch.run())
        try:
            await self._app(scope, receive, send)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
