"""A proxy that loses the first answer: the request arrives, and the client never hears of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 20


@asynccontextmanager
async def losing_first_answer(base: str) -> AsyncIterator[str]:
    """Lend the URL of a proxy before a server; its first connection is cut when the answer comes."""
    where = urlsplit(base)
    lost = asyncio.Event()
    serving: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        there, back = await asyncio.open_connection(where.hostname, where.port)
        sending = asyncio.create_task(_pump(reader, back))
        with suppress(ConnectionError):
            while data := await there.read(65_536):
                if not lost.is_set():
                    lost.set()
                    break
                writer.write(data)
                await writer.drain()
        for one in (writer, back):
            one.close()
            with suppress(ConnectionError):
                await one.wait_closed()
        await sending

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()
        await asyncio.wait_for(asyncio.gather(*serving), SECONDS)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()
