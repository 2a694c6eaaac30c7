"""The server database: PostgreSQL 15 to 18 through asyncpg."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg

from diglot.caches import ProcessCache
from diglot.computations import compute
from diglot.errors import DatabaseAway, DatabaseReadOnly, DeadlineExceeded, Misconfigured, Unavailable
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import (
    BACKGROUND,
    DEFAULT_LIMITS,
    BoundValues,
    CommitListener,
    Engine,
    Executable,
    Limits,
    Row,
    UnitOfWork,
    Usage,
)
from diglot.storage.sql.pool.background import BackgroundEngine
from diglot.storage.sql.pool.failures import Failures, renew
from diglot.storage.sql.pool.postgresql_connections import Connections, Lease
from diglot.storage.sql.pool.postgresql_failures import (
    DRIVER_ERRORS,
    describe,
    explain_connect_error,
    explain_error,
    is_lost,
    is_temporary,
)
from diglot.storage.sql.pool.postgresql_transaction import PostgreSQLTransaction, WritingTransaction
from diglot.storage.sql.pool.postgresql_watch import Watch
from diglot.storage.sql.pool.write_turns import WriteTurns

T = TypeVar("T")
MIN_VERSION: Final = 150000
_CLOSE_SECONDS: Final = 5.0
# A unit that waited this long for its connection may wait for a lock only as long as is left.
_LONG_WAIT_SECONDS: Final = 0.5

# What asyncpg raises if a database cannot be used; an unreadable URL raises ValueError.
UNUSABLE: Final = (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How a kind of unit runs: the statement that begins it, and whether it can run a second time."""

    begin: str | None = None
    may_write: bool = False
    is_repeatable: bool = False


_READ: Final = _Plan("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", is_repeatable=True)
_POINT_READ: Final = _Plan(is_repeatable=True)
_EPHEMERAL: Final = _Plan()
_WRITE: Final = _Plan("BEGIN", may_write=True)
# Background work may take its time, but must not hold a connection for ever.
_BACKGROUND_TIMEOUTS: Final = "; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'"
_SHORT_TIMEOUTS: Final = "; SET LOCAL statement_timeout = {:.0f}; SET LOCAL lock_timeout = {:.0f}"


class _ConnectionLost(Exception):
    """The connection broke before the unit had an effect, so it can run on another one."""


class PostgreSQL:
    """The engine of one PostgreSQL database."""

    # A point read is a round trip, so API keys are cached for a moment.
    point_reads_are_local = False
    sees_commits_only = True
    request_counters = None

    def __init__(self, url: str, backend: Backend, limits: Limits = DEFAULT_LIMITS) -> None:
        self.backend = backend
        self._limits = limits
        self._failures = Failures()
        self._connections = Connections(url, limits, self._failures)
        self._watch: Watch | None = None
        self._write_turns = WriteTurns(limits)
        self._commit_listener: CommitListener | None = None
        self.process_cache = ProcessCache()

    async def open(self, check: Callable[[], Awaitable[None]] | None = None) -> None:
        away: Unavailable | None = None
        try:
            away = await self._examine(check)
        except BaseException:
            await self._connections.close(0)
            raise
        self._watch = Watch(self._connections, self._failures)
        self._watch.start(self._checking(check) if away is not None and check is not None else None, away)

    async def _examine(self, check: Callable[[], Awaitable[None]] | None) -> Unavailable | None:
        """Return why the database is away, None if it can be used; raise `Misconfigured`."""
        try:
            await self._require_version()
            if check is not None:
                await check()
        except Unavailable as error:
            away: Unavailable | None = error
        except UNUSABLE as error:
            away = explain_connect_error(error) if is_temporary(error) else None
            if away is None or check is None:
                raise Misconfigured(describe_refusal(error)) from error
        else:
            return None
        return away

    async def close(self) -> None:
        if self._watch is not None:
            await self._watch.close()
        self._watch = None
        await self._connections.close(_CLOSE_SECONDS)

    def on_commit(self, listener: CommitListener) -> None:
        self._commit_listener = listener

    def in_background(self) -> Engine:
        return BackgroundEngine(self)

    def commit_mark(self) -> object | None:
        """Return None, because asking for it takes as long as reading the row."""
        return None

    def usage(self) -> Usage:
        return Usage({"connections": self._connections.usage()}, dict(self._failures.counts))

    async def ping(self) -> None:
        assert self._watch is not None
        await self._watch.ping()

    async def read(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        return await self._run(work, workspace, _READ, seconds)

    async def point_read(self, work: UnitOfWork[T]) -> T:
        return await self._run(work, None, _POINT_READ)

    async def fetch_point(self, statement: Executable, values: BoundValues) -> Row | None:
        return await self.point_read(lambda transaction: transaction.fetch_one(statement, values))

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        return await self._run(work, None, _EPHEMERAL)

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await compute(function)

    async def write(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        if workspace is None:
            return await self._run(work, workspace, _WRITE, seconds)
        await self._write_turns.take(workspace)
        succeeded = False
        try:
            result = await self._run(work, workspace, _WRITE, seconds)
            succeeded = True
        finally:
            self._write_turns.give_back(workspace, succeeded=succeeded)
        return result

    async def _run(
        self, work: UnitOfWork[T], key: int | None, plan: _Plan, seconds: float | None = None
    ) -> T:
        try:
            return await self._run_once(work, await self._connections.take(key, seconds), plan, is_last=False)
        except _ConnectionLost:
            # The other idle connections are as old as the one that broke.
            self._connections.drop_idle()
            return await self._run_once(work, await self._connections.take(key, seconds), plan, is_last=True)

    async def _run_once(self, work: UnitOfWork[T], lease: Lease, plan: _Plan, *, is_last: bool) -> T:
        connection = lease.connection
        kind = WritingTransaction if plan.may_write else PostgreSQLTransaction
        transaction = kind(connection, self.backend, self.process_cache)
        begun = False
        try:
            if plan.begin is not None:
                await connection.execute(self._connections.begin(plan.begin) + self._timeouts(lease))
                begun = True
            result = await work(transaction)
            if plan.begin is not None:
                await transaction.commit()
        except BaseException as error:
            # What is not reusable is closed below.
            lost = is_lost(error, connection)
            await self._release_failed(lease, error, begun=begun)
            may_repeat = not is_last and (plan.is_repeatable or (plan.begin is not None and not begun))
            if lost and may_repeat and not lease.is_late and self._connections.away is None:
                raise _ConnectionLost from error
            explained = self._explain(error, lease, lost=lost)
            if explained is None:
                raise
            raise explained from error
        self._connections.give_back(lease, reusable=True, succeeded=True)
        if transaction.notified and self._commit_listener is not None:
            self._commit_listener(transaction.notified)
        return result

    def _timeouts(self, lease: Lease) -> str:
        if lease.seconds is not None:
            # A wait for a lock ends first, because it says that the database answers.
            return _SHORT_TIMEOUTS.format(lease.seconds * 1000, lease.seconds * 800)
        if lease.key == BACKGROUND:
            return _BACKGROUND_TIMEOUTS
        if lease.waited < _LONG_WAIT_SECONDS:
            return ""
        left = max(self._limits.wait_seconds - lease.waited, _LONG_WAIT_SECONDS)
        return f"; SET LOCAL lock_timeout = {left * 1000:.0f}"

    async def _release_failed(self, lease: Lease, error: BaseException, *, begun: bool) -> None:
        """Roll back and give the connection back, unless the unit left it in an unknown state."""
        reusable = isinstance(error, Exception) and not is_lost(error, lease.connection)
        reusable = reusable and not isinstance(error, asyncpg.ReadOnlySQLTransactionError)
        if reusable and begun:
            try:
                await lease.connection.execute("ROLLBACK")
            except Exception:  # noqa: BLE001 - whatever it is, the connection is closed
                reusable = False
            except BaseException:
                self._connections.give_back(lease, reusable=False, succeeded=False)
                raise
        failed = isinstance(error, DRIVER_ERRORS)
        self._connections.give_back(lease, reusable=reusable, succeeded=not failed)

    def _explain(self, error: BaseException, lease: Lease, *, lost: bool) -> Unavailable | None:
        """Return why the database could not do a unit, counted and logged; None for another reason."""
        if lease.is_late:
            return self._failures.record(DeadlineExceeded("PostgreSQL: a unit of work took too long"))
        if not isinstance(error, DRIVER_ERRORS):
            return None
        if lease.connection.is_closed() and self._connections.away is not None:
            return self._failures.record(renew(self._connections.away))
        explained = explain_error(error)
        if explained is None and lost:
            explained = DatabaseAway(f"PostgreSQL: {describe(error)}")
        if explained is None:
            return None
        if isinstance(explained, DatabaseAway):
            self._connections.on_lost()
        if isinstance(explained, DatabaseReadOnly) and self._watch is not None:
            self._watch.forget_sessions()
        return self._failures.record(explained)

    async def _require_version(self) -> None:
        connection = await self._connections.connect(self._limits.wait_seconds)
        try:
            version = await connection.fetchval("SELECT current_setting('server_version_num')::int")
        except BaseException:
            connection.terminate()
            raise
        self._connections.adopt(connection)
        if version < MIN_VERSION:
            self._connections.drop_idle()
            raise Misconfigured(f"PostgreSQL {version // 10000} is too old: 15 or later is needed")

    def _checking(self, check: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        async def check_all() -> None:
            try:
                await self._require_version()
            except UNUSABLE as error:
                raise DatabaseAway(describe_refusal(error)) from error
            await check()

        return check_all


def describe_refusal(error: BaseException) -> str:
    """Return one line about an error while opening a database."""
    unread = "its URL cannot be read: " if isinstance(error, ValueError) else ""
    return f"the PostgreSQL database cannot be opened: {unread}{describe(error)}"
