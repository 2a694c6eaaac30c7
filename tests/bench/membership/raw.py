"""The driver itself, used in the simplest way: every figure is compared with it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from bench.membership.meter import Work
from diglot.storage.contacts.rows import CONTACT_COLUMNS
from diglot.storage.sql.sqlite_module import sqlite3

COLUMNS = ", ".join(column.name for column in CONTACT_COLUMNS)
# The pragmas of the product's own connections.
_PRAGMAS = ("foreign_keys=ON", "temp_store=MEMORY", "cache_size=-65536", "mmap_size=8589934592")


class Raw:
    """One connection of the driver; `sql` prepares a statement for it."""

    def __init__(self, url: str) -> None:
        self.postgresql = url.startswith("postgres")
        self._url = url
        self._connection: Any = None

    async def open(self) -> None:
        """Connect."""
        if self.postgresql:
            self._connection = await asyncpg.connect(self._url, server_settings={"jit": "off"})
            return
        path = self._url.removeprefix("sqlite:///")
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        for pragma in _PRAGMAS:
            self._connection.execute(f"PRAGMA {pragma}")

    async def close(self) -> None:
        """Disconnect."""
        if self.postgresql:
            await self._connection.close()
        else:
            self._connection.close()

    def sql(self, statement: str) -> str:
        """Return a statement with the driver's placeholders for `{}` and SQLite's pin for `{pin}`."""
        count = statement.count("{}")
        places = [f"${index + 1}" if self.postgresql else "?" for index in range(count)]
        pin = "" if self.postgresql else "INDEXED BY sqlite_autoindex_contacts_1"
        return statement.format(*places, pin=pin)

    async def rows(self, sql: str, *values: Any) -> Sequence[Sequence[Any]]:
        """Return the rows of a statement."""
        if self.postgresql:
            result: Sequence[Sequence[Any]] = await self._connection.fetch(sql, *values)
            return result
        return list(self._connection.execute(sql, values).fetchall())

    async def value(self, sql: str, *values: Any) -> Any:
        """Return the first value of the first row."""
        return (await self.rows(sql, *values))[0][0]

    async def run(self, sql: str, *values: Any) -> None:
        """Run a statement, or several without values."""
        if self.postgresql:
            await self._connection.execute(sql, *values, timeout=None)
        elif values:
            self._connection.execute(sql, values)
        else:
            self._connection.executescript(sql)

    def query_work(self, sql: str, *sets: Sequence[Any]) -> Work:
        """Return work that queries with each set of values in turn, inside one transaction."""
        connection, count = self._connection, len(sets)

        async def on_postgresql(times: int) -> None:
            fetch = connection.fetch
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                for turn in range(times):
                    await fetch(sql, *sets[turn % count])

        async def on_sqlite(times: int) -> None:
            execute = connection.execute
            execute("BEGIN")
            for turn in range(times):
                execute(sql, sets[turn % count]).fetchall()
            execute("COMMIT")

        return on_postgresql if self.postgresql else on_sqlite

    def write_work(self, script: Callable[["Raw"], Awaitable[None]]) -> Work:
        """Return work that executes statements in one write transaction."""

        async def work(times: int) -> None:
            for _ in range(times):
                await self.run("BEGIN")
                await script(self)
                await self.run("COMMIT")

        return work


POINT = f"SELECT {COLUMNS} FROM contacts WHERE workspace = {{}} AND pk = {{}}"
KEYSET = (
    f"SELECT {COLUMNS} FROM contacts {{pin}} WHERE workspace = {{}} AND pk <= {{}} ORDER BY pk DESC LIMIT 100"
)
