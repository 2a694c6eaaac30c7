"""The connections of a process to PostgreSQL, which workspaces take in turn.

The pool of asyncpg serves whoever asks first, and fails a request as soon as the server refuses one more
connection. This pool gives each workspace its share, gets along with fewer connections than it may open, and
can end all requests at once when the database is gone.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import asyncpg

from diglot.errors import DatabaseAway, Unavailable
from diglot.storage.sql.engine import BACKGROUND, Limits, PoolUsage
from diglot.storage.sql.pool.failures import Failures, renew
from diglot.storage.sql.pool.postgresql_failures import explain_connect_error
from diglot.storage.sql.pool.postgresql_sessions import Connection, read_sessions
from diglot.storage.sql.pool.turns import Turns

MAX_CONNECTIONS: Final = 8
_IDLE_SECONDS: Final = 300.0
# How long the pool gets along with the connections that it has after the server refused another one.
_REFUSED_SECONDS: Final = 5.0
_TOO_MANY: Final = "53300"


@dataclass(slots=True, eq=False)
class Lease:
    """A connection in use by a unit of work; `deadline` is an instant of the event loop.

    `seconds` is how long the unit may take, None for the time of its kind.
    """

    key: int | None
    connection: Connection
    began: float
    deadline: float
    waited: float
    seconds: float | None = None
    is_late: bool = False


class Connections:
    """A pool of connections; `away` is why the database cannot be used, None if it can.

    `served_at` is the instant of the event loop at which the database last did what a unit asked.
    """

    def __init__(self, url: str, limits: Limits, failures: Failures) -> None:
        self._sessions, self._limits, self._failures = read_sessions(url), limits, failures
        self._settings = {
            # Statements are short and cached, so JIT compilation does not pay off.
            "jit": "off",
            "statement_timeout": f"{limits.read_seconds * 1000:.0f}",
            "lock_timeout": f"{limits.wait_seconds * 1000:.0f}",
        }
        self.size = limits.connections or MAX_CONNECTIONS
        self._turns = Turns(self.size, limits)
        self._idle: list[tuple[Connection, float]] = []
        self._leases: dict[Lease, None] = {}
        self._refused_at: float | None = None
        self.away: Unavailable | None = None
        self.served_at = 0.0
        self._all_returned: asyncio.Event | None = None
        self.on_lost: Callable[[], None] = lambda: None

    def usage(self) -> PoolUsage:
        """Return the figures of the pool."""
        return self._turns.usage()

    async def take(self, key: int | None, seconds: float | None = None) -> Lease:
        """Take a connection for a workspace, for a unit that may take `seconds`; raise `Unavailable`."""
        self._require_present()
        waited = 0.0
        connection: Connection | None = None
        while connection is None:
            waited += await self._turns.take(key)
            try:
                connection = self._pop_idle() or await self._connect()
            except BaseException:
                self._turns.give_back(key, succeeded=False)
                raise
            if connection is None:
                # The server refused one more, so wait until one of the pool becomes free.
                self._turns.resize(max(len(self._leases) + len(self._idle), 1))
                self._turns.give_back(key, succeeded=False)
        now = asyncio.get_running_loop().time()
        unlimited = float("inf") if key == BACKGROUND else self._limits.read_seconds
        lease = Lease(key, connection, now, now + (seconds or unlimited), waited, seconds)
        self._leases[lease] = None
        return lease

    def give_back(self, lease: Lease, *, reusable: bool, succeeded: bool) -> None:
        """Give a connection back; one that is not reusable is closed."""
        del self._leases[lease]
        if reusable and succeeded:
            self.served_at = asyncio.get_running_loop().time()
        if not reusable or self.away is not None:
            lease.connection.terminate()
        elif not lease.connection.is_closed():
            self.adopt(lease.connection)
        self._turns.give_back(lease.key, succeeded=succeeded)
        if self._all_returned is not None and not self._leases:
            self._all_returned.set()

    def adopt(self, connection: Connection) -> None:
        """Add an open connection to the pool."""
        self._idle.append((connection, asyncio.get_running_loop().time()))

    async def connect(self, seconds: float) -> Connection:
        """Open a connection that is not part of the pool; raise what the driver raises."""
        return await self._sessions.connect(seconds, self._settings)

    def begin(self, statement: str) -> str:
        """Return what begins a transaction with the settings of the pool."""
        return self._sessions.begin(statement, self._settings)

    def oldest(self) -> float | None:
        """Return when the unit began that runs longest; None if none runs."""
        return next((lease.began for lease in self._leases), None)

    def tidy(self) -> None:
        """End units after their deadline, close long idle connections, and try more after a refusal."""
        now = asyncio.get_running_loop().time()
        for lease in self._leases:
            # The database ends a late statement itself; this ends a unit of many statements.
            if now > lease.deadline + 1:
                lease.is_late = True
                lease.connection.terminate()
        while self._idle and self._idle[0][1] < now - _IDLE_SECONDS:
            self._idle.pop(0)[0].terminate()
        if self._refused_at is not None and now > self._refused_at + _REFUSED_SECONDS:
            self._refused_at = None
            self._turns.resize(self.size)

    def drop_idle(self) -> None:
        """Close the connections that no unit uses, because they may be dead or in a wrong state."""
        while self._idle:
            self._idle.pop()[0].terminate()

    def abort(self, error: Unavailable) -> None:
        """End all units, running and waiting, because the database is away."""
        self.away = error
        self.drop_idle()
        for lease in self._leases:
            lease.connection.terminate()
        self._turns.reject_waiting(error)

    async def close(self, seconds: float) -> None:
        """Close all connections; units have `seconds` to end."""
        if self._leases:
            self._all_returned = asyncio.Event()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_returned.wait()
        for lease in self._leases:
            lease.connection.terminate()
        while self._idle:
            connection, _ = self._idle.pop()
            try:
                await connection.close(timeout=1)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()

    def _require_present(self) -> None:
        if self.away is not None:
            raise self._failures.record(renew(self.away))

    def _pop_idle(self) -> Connection | None:
        while self._idle:
            connection, _ = self._idle.pop()
            if not connection.is_closed():
                return connection
        return None

    async def _connect(self) -> Connection | None:
        """Open a connection; return None if the server refuses more than the pool has."""
        try:
            return await self.connect(self._limits.wait_seconds)
        except Exception as error:
            explained = explain_connect_error(error)
            if explained is None:
                raise
            if getattr(error, "sqlstate", "") == _TOO_MANY and (self._leases or self._idle):
                self._failures.note(explained.kind, f"{explained}: using fewer connections for a while")
                self._refused_at = asyncio.get_running_loop().time()
                return None
            if isinstance(explained, DatabaseAway):
                self.on_lost()
            raise self._failures.record(explained) from error
