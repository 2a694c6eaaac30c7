"""The executor: runs units of work on the database driver itself.

A unit of work is an async function that takes a `Transaction`. On PostgreSQL it runs on a pooled connection
of asyncpg. On SQLite its awaits never suspend, so the whole unit runs in one hop on the thread that owns the
connection. Repositories are written once for both.

SQLAlchemy Core builds and compiles the statements, but its async engine does not run them: for the same read
it costs 8 times the CPU on SQLite, because of thread hops, and about twice on asyncpg.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

import msgspec

from diglot.caches import ProcessCache
from diglot.storage.sql.backend import Backend, Sql
from diglot.storage.sql.request_counts import RequestCounters

T = TypeVar("T")
Row = Sequence[Any]
BoundValues = Mapping[str, Any]
# Called after a commit with the workspaces that the unit named with `notify_on_commit`.
CommitListener = Callable[[AbstractSet[int]], None]
NO_VALUES: BoundValues = {}
# The keys of background work among the workspaces that share a pool; no workspace has these numbers. Units
# with a deadline have a turn of their own, so that those that may take long do not keep them waiting.
BACKGROUND: Final = -1
SHORT_BACKGROUND: Final = -2


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator can set.

    `connections` is the size of the pool, 0 for the figure of the database. A read ends after `read_seconds`.
    A request waits at most `wait_seconds` for the database: to connect, for a lock, or for a connection while
    no other request of its workspace is served; otherwise it waits at most `queue_seconds` for its turn.
    """

    connections: int = 0
    read_seconds: float = 15
    wait_seconds: float = 4
    queue_seconds: float = 30


DEFAULT_LIMITS: Final = Limits()


class Executable(Protocol):
    """A statement that a transaction can execute: it has SQL for each backend."""

    def sql_for(self, backend: Backend) -> Sql: ...


class Transaction(Protocol):
    """A transaction in progress. Rows are sequences in the order of the selected columns."""

    @property
    def backend(self) -> Backend: ...

    @property
    def process_cache(self) -> ProcessCache:
        """What this process caches of the database: the same object in every transaction."""

    @property
    def may_write(self) -> bool:
        """Whether the unit may write.

        Values that it reads must not be cached, because it may be rolled back.
        """

    @property
    def others_write(self) -> bool:
        """Whether other workspaces wrote a moment ago and need the lock that this unit holds."""

    @property
    def open_units(self) -> dict[int, Any]:
        """The write units that are open in this transaction, by workspace: each holds its lock once."""

    rows_are_apart: bool
    """Whether the next writes neither read nor write a row of their table that a write held back writes.

    It holds for every table, so whoever sets it writes one table until it is reset.
    """

    async def fetch_all(self, statement: Executable, values: BoundValues = NO_VALUES) -> Sequence[Row]:
        """Return all rows."""

    async def fetch_one(self, statement: Executable, values: BoundValues = NO_VALUES) -> Row | None:
        """Return the first row, or None."""

    async def execute(self, statement: Executable, values: BoundValues = NO_VALUES) -> None:
        """Execute a statement that returns no rows."""

    async def execute_many(self, statement: Executable, values: Sequence[BoundValues]) -> None:
        """Execute a statement once for each set of values."""

    async def send_writes(self) -> None:
        """Send the writes that are held back, as the commit does and whatever needs them."""

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        """Run a slow computation without blocking the event loop."""

    def notify_on_commit(self, workspace: int) -> None:
        """Call the engine's commit listener with a workspace once this transaction is committed."""


class PoolUsage(msgspec.Struct, frozen=True):
    """A pool of connections, or a queue for one.

    `size`, `in_use` and `waiting` are of now; `waits` and `wait_seconds` count the units that waited, and
    how long, since the start of the process.
    """

    size: int = 0
    in_use: int = 0
    waiting: int = 0
    waits: int = 0
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What an engine does: its pools by name, and the errors since the start by `Unavailable.kind`."""

    pools: Mapping[str, PoolUsage] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)


UnitOfWork = Callable[[Transaction], Awaitable[T]]


class EphemeralBusyError(Exception):
    """Another process holds the ephemeral tables."""


class Engine(Protocol):
    """A database. `write` is one transaction, `read` one snapshot, `point_read` one bounded read.

    Units of different workspaces take turns: `workspace` is the key of that, None for units of no workspace.
    All methods that run a unit, and `ping`, raise `Unavailable` while the database cannot be used.
    """

    @property
    def backend(self) -> Backend: ...

    @property
    def process_cache(self) -> ProcessCache: ...

    @property
    def point_reads_are_local(self) -> bool:
        """Whether a point read costs no round trip, so that results need no cache between requests."""

    @property
    def sees_commits_only(self) -> bool:
        """Whether its reads see committed rows only, so that what is made of them may be remembered."""

    @property
    def request_counters(self) -> RequestCounters | None:
        """What counts requests without a statement; None if the ephemeral tables do."""

    def commit_mark(self) -> object | None:
        """Return what is equal to an earlier mark only if nothing was committed since.

        So a row that was read after that mark is still the row. None if that is not known, as in a
        transaction and where it takes a round trip to ask.
        """

    async def open(self, check: Callable[[], Awaitable[None]] | None = None) -> None:
        """Connect; raise `Misconfigured` if the database cannot be used.

        With `check`, which raises `Misconfigured` itself, a server's database may be away: the check runs
        once it answers, and units raise `Unavailable` until then.
        """

    async def close(self) -> None:
        """Finish the units in progress and disconnect."""

    def on_commit(self, listener: CommitListener) -> None:
        """Register a function to call after each commit that requested it with `notify_on_commit`."""

    async def ping(self) -> None:
        """Raise `Unavailable` unless the database answers within a few seconds.

        It uses a connection of its own, so that it never waits for requests.
        """

    def usage(self) -> Usage:
        """Return what the pools do, and how often the database could not be used."""

    def in_background(self) -> "Engine":
        """Return this engine for background work: its reads have no deadline, and it shares one turn."""

    async def read(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        """Run a unit that reads; all its reads see one snapshot of the database.

        A unit that takes longer than a read may, or than `seconds`, raises `DeadlineExceeded`. The time in
        which it waits for its turn does not count. An embedded database ignores `seconds`, because it is on
        no other machine that could hang.
        """

    async def point_read(self, work: UnitOfWork[T]) -> T:
        """Run a unit of one read by a unique key, without a transaction."""

    async def fetch_point(self, statement: Executable, values: BoundValues) -> Row | None:
        """Return the row of a statement that reads by a unique key, as a `point_read` of it alone does."""

    async def write(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        """Run a unit that writes. It is durable when this returns, and rolled back if the unit raises.

        `seconds` limits it as it limits a read.
        """

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        """Run a unit on the ephemeral tables, which all processes share and which a crash may empty.

        Each statement commits by itself. Raise `EphemeralBusyError` if another process holds a lock too long.
        """

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        """Run a slow computation outside of any unit, without blocking the event loop."""


class NestedEngine:
    """An engine over an open transaction: each unit runs in it, and is committed or rolled back with it."""

    point_reads_are_local = True
    sees_commits_only = False
    request_counters = None

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    def commit_mark(self) -> object | None:
        """Return None, because the transaction writes itself."""
        return None

    @property
    def backend(self) -> Backend:
        return self._transaction.backend

    @property
    def process_cache(self) -> ProcessCache:
        return self._transaction.process_cache

    async def open(self, check: Callable[[], Awaitable[None]] | None = None) -> None:
        """Do nothing, because the transaction is open."""

    async def close(self) -> None:
        """Do nothing, because the code that began the transaction ends it."""

    def on_commit(self, listener: CommitListener) -> None:
        """Do nothing, because the engine that began the transaction notifies its own listener."""

    async def ping(self) -> None:
        """Do nothing, because a transaction is open."""

    def usage(self) -> Usage:
        """Return nothing, because the engine that began the transaction counts."""
        return Usage()

    def in_background(self) -> "NestedEngine":
        return self

    async def read(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        """Run a unit that sees what was written, also what an open unit still held in memory."""
        del workspace, seconds
        for unit in self._transaction.open_units.values():
            await unit.flush()
        return await work(self._transaction)

    async def point_read(self, work: UnitOfWork[T]) -> T:
        return await self.read(work)

    async def fetch_point(self, statement: Executable, values: BoundValues) -> Row | None:
        return await self.read(lambda transaction: transaction.fetch_one(statement, values))

    async def write(
        self, work: UnitOfWork[T], *, workspace: int | None = None, seconds: float | None = None
    ) -> T:
        del workspace, seconds
        return await work(self._transaction)

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        """Raise RuntimeError, because ephemeral statements commit by themselves, not with a transaction."""
        del work
        raise RuntimeError("the ephemeral tables are not part of a transaction")

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await self._transaction.run_off_loop(function)
