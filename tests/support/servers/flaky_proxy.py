"""A proxy that loses responses: the request arrives, and the client gets no response."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 20


@dataclass
class Proxy:
    """The address of a proxy, the number of responses it still loses, and its number of connections."""

    url: str
    to_lose: int
    connections: int = 0


@asynccontextmanager
async def proxy(base: str, to_lose: int = 0) -> AsyncIterator[Proxy]:
    """Lend a proxy in front of a server; its first connections are cut when their responses arrive."""
    where = urlsplit(base)
    result = Proxy("", to_lose)
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        result.connections += 1
        there, back = await asyncio.open_connection(where.hostname, where.port)
        sending = asyncio.create_task(_pump(reader, back))
        with suppress(ConnectionError):
            while data := await there.read(65_536):
                if result.to_lose:
                    result.to_lose -= 1
                    break
                writer.write(data)
                await writer.drain()
        for item in (writer, back):
            item.close()
            with suppress(ConnectionError):
                await item.wait_closed()
        await sending

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    result.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield result
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*serving), SECONDS)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
