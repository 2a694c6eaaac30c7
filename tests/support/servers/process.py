"""The server as a separate process, as `diglot serve` starts it."""

import asyncio
import os
import re
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from diglot.dialects.registry import get_dialect
from diglot.service.access.keys import Keys
from diglot.storage.connect import create_engine
from diglot.storage.sql.pool.postgresql_sessions import read_sessions
from support.servers.command import server_command

SECONDS: Final = 60
_UNDER_WAY: Final = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < $1
"""
_ADDRESS = re.compile(r"http://[0-9.]+:[0-9]+")


@dataclass(frozen=True)
class ServerProcess:
    """A server at `base`, on the database of `url`; each test has a separate workspace there."""

    base: str
    url: str
    workspace: str = "one"
    pid: int = 0

    async def key(self, dialect: str, scopes: tuple[str, ...] = (), prefix: str | None = None) -> str:
        """Create a key through the operator's use case, next to the running server."""
        shape = get_dialect(dialect).key_format
        engine = create_engine(self.url)
        await engine.open()
        try:
            return await Keys(engine).create(
                shape, self.workspace, scopes, secret=shape.generate_secret(prefix)
            )
        finally:
            await engine.close()

    @property
    def workers(self) -> list[int]:
        """The processes that answer; `pid` is the one that started them."""
        return [int(item) for item in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    async def wait_until_ready(self) -> None:
        """Wait until the server answers."""
        async with asyncio.timeout(SECONDS), httpx.AsyncClient(base_url=self.base) as client:
            while True:
                try:
                    assert (await client.get("/health")).status_code == 200
                except httpx.TransportError:
                    await asyncio.sleep(0.02)
                else:
                    return

    def kill(self) -> None:
        """Kill all processes of the server at once, with SIGKILL."""
        os.killpg(self.pid, signal.SIGKILL)


async def transactions_over(url: str) -> None:
    """Wait until every open transaction has ended, also those of killed clients."""
    if not url.startswith("postgresql"):
        return  # the lock on the file ends with its process
    connection: Any = await read_sessions(url).connect(SECONDS)
    try:
        now = await connection.fetchval("SELECT clock_timestamp()")
        async with asyncio.timeout(SECONDS):
            while await connection.fetchval(_UNDER_WAY, now):  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(0.01)
    finally:
        await connection.close()


@asynccontextmanager
async def running(url: str, *options: str, leaves: int = 0) -> AsyncIterator[ServerProcess]:
    """Serve a migrated database until the end of the block; the server then exits with code `leaves`."""
    command, settings = server_command(url, *options)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, env=settings, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), SECONDS)).decode()
        match = _ADDRESS.search(line)
        assert match is not None, f"no address in {line!r}"
        live = ServerProcess(match[0], url, pid=process.pid)
        await live.wait_until_ready()
        yield live
    except BaseException:
        if process.returncode is None:
            process.terminate()
        raise
    else:
        if not leaves:
            process.terminate()
    finally:
        code = await asyncio.wait_for(process.wait(), SECONDS)
    assert code == leaves, f"the server exited with code {code}"
