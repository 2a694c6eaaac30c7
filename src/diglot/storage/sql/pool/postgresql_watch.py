"""Watches whether PostgreSQL answers, so that a request fails early and the server recovers by itself.

A connection to a server that hangs or vanished says nothing, and none of its timeouts ends a statement.
So while a unit of work runs long, a probe asks the server on a connection of its own. If the probe gets no
answer, all units end, and new ones fail at once until a probe succeeds again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg

from diglot.errors import DatabaseAway, DatabaseBusy, DatabaseReadOnly, Misconfigured, Unavailable
from diglot.storage.sql.pool.failures import Failures, log, renew
from diglot.storage.sql.pool.postgresql_connections import Connections
from diglot.storage.sql.pool.postgresql_failures import explain_connect_error
from diglot.storage.sql.pool.postgresql_sessions import Connection

PROBE_SECONDS: Final = 2.0
# A unit that runs longer than this makes the watch probe, and again at this interval.
SUSPECT_SECONDS: Final = 1.0
_TICK_SECONDS: Final = 0.5
_MIN_TICK_SECONDS: Final = 0.1
_PROBE: Final = "SELECT current_setting('transaction_read_only')"


class Watch:
    """Sets `away` of the connections; `check` runs when a database answers for the first time."""

    def __init__(self, connections: Connections, failures: Failures) -> None:
        self._connections, self._failures = connections, failures
        self._check: Callable[[], Awaitable[None]] | None = None
        self._connection: Connection | None = None
        self._lock = asyncio.Lock()
        self._suspected = asyncio.Event()
        self._probed_at = 0.0
        self._away_since = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self, check: Callable[[], Awaitable[None]] | None, away: Unavailable | None) -> None:
        """Watch until `close`; `away` is why the database cannot be used from the beginning."""
        self._check = check
        if away is not None:
            self._go_away(away)
        self._connections.on_lost = self._suspected.set
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._task = None
        self._drop()

    async def ping(self) -> None:
        """Raise `Unavailable` unless the database answers and accepts writes."""
        if self._connections.away is not None:
            raise renew(self._connections.away)
        if await self._probe():
            raise DatabaseReadOnly("PostgreSQL accepts no writes (transaction_read_only is on)")

    def forget_sessions(self) -> None:
        """Drop all connections that no unit uses, because their sessions may have a wrong default."""
        self._connections.drop_idle()
        if not self._lock.locked():
            self._drop()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_MIN_TICK_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS - _MIN_TICK_SECONDS):
                    await self._suspected.wait()
            try:
                await self._look()
            except Exception:  # noqa: BLE001 - the watch must live on
                log.exception("cannot watch the database")

    async def _look(self) -> None:
        connections = self._connections
        connections.tidy()
        if connections.away is None and not self._suspected.is_set() and not self._is_slow():
            return
        self._suspected.clear()
        try:
            await self._probe()
        except DatabaseBusy:
            return  # it answers that it has no connection left
        except Unavailable as error:
            self._go_away(error)
            return
        if connections.away is not None:
            await self._come_back()

    def _is_slow(self) -> bool:
        oldest = self._connections.oldest()
        now = asyncio.get_running_loop().time()
        return oldest is not None and now - max(oldest, self._probed_at) > SUSPECT_SECONDS

    def _go_away(self, error: Unavailable) -> None:
        if self._connections.away is None:
            self._away_since = asyncio.get_running_loop().time()
            self._failures.record(error)
        self._connections.abort(error)

    async def _come_back(self) -> None:
        if self._check is not None:
            try:
                await self._check()
            except (Misconfigured, Unavailable) as error:
                self._connections.away = DatabaseAway(str(error))
                self._failures.note(DatabaseAway.kind, str(error))
                return
        self._check = None
        self._connections.away = None
        seconds = asyncio.get_running_loop().time() - self._away_since
        log.info("database answers again after %.1f s", seconds)

    async def _probe(self) -> bool:
        """Return whether the database is read-only; raise `Unavailable` if it does not answer in time."""
        async with self._lock:
            began = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    if self._connection is None or self._connection.is_closed():
                        self._connection = await self._connections.connect(PROBE_SECONDS)
                    is_read_only: bool = await self._connection.fetchval(_PROBE) == "on"
            except BaseException as error:
                self._drop()
                if isinstance(error, TimeoutError):
                    if self._connections.served_at > began:
                        return False  # a pooler keeps the probe waiting while others are served
                    raise DatabaseAway(f"PostgreSQL did not answer within {PROBE_SECONDS:g} s") from error
                if isinstance(error, (asyncpg.InterfaceError, asyncpg.InternalClientError)):
                    raise DatabaseAway(f"PostgreSQL: {error}") from error
                explained = explain_connect_error(error)
                if explained is None:
                    raise
                raise explained from error
            self._probed_at = asyncio.get_running_loop().time()
        return is_read_only

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
