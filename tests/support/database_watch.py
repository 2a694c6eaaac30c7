"""Detects any change in a database, cheaply and exactly."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any, Protocol

import asyncpg

from diglot.storage.schema import metadata
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3

_TABLES = [table.name for table in metadata.sorted_tables]
# Written by a server itself, without a request: the last use of a key.
_ITS_OWN = {"keys": "last_used_at"}


class Watch(Protocol):
    """Watches a database over a separate connection."""

    async def state(self) -> object:
        """Return a value that is equal at two times exactly if every row is the same."""


class _SQLite:
    """Reads all rows, but only if SQLite reports a commit of another connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version: int | None = None
        self._digest = ""

    async def state(self) -> object:
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self._digest = self._rows()
        return self._digest

    def _rows(self) -> str:
        digest = hashlib.blake2b()
        for table in _TABLES:
            columns = ", ".join(
                column.name for column in metadata.tables[table].c if column.name != _ITS_OWN.get(table)
            )
            rows = self._connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            digest.update(repr(rows).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def _text(table: str) -> str:
    own = _ITS_OWN.get(table)
    return "xmin::text || t::text" if own is None else f"(to_jsonb(t) - '{own}')::text"


class _PostgreSQL:
    """Makes the database hash every row, with the transaction that wrote it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        each = (f"SELECT sum(hashtextextended({_text(name)}, 0)) FROM {name} t" for name in _TABLES)
        self._statement = f"SELECT array[{', '.join(f'({item})' for item in each)}]"

    async def state(self) -> object:
        return await self._connection.fetchval(self._statement)


@asynccontextmanager
async def watching(url: str) -> AsyncIterator[Watch]:
    """Lend a watch on a database."""
    if url.startswith("postgresql"):
        connection: Any = await asyncpg.connect(url)
        try:
            yield _PostgreSQL(connection)
        finally:
            await connection.close()
    else:
        with closing(sqlite3.connect(parse_sqlite_path(url))) as file:
            yield _SQLite(file)
