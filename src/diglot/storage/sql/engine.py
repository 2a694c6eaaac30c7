"""The one executor: units of work over a database, run on the driver itself.

A unit of work is an async function of a `Transaction`. On PostgreSQL it runs on a pooled connection of
asyncpg. On SQLite its awaits never suspend: the whole unit runs in one hop on the thread that owns the
connection. The repositories above are the same for both.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from diglot.caches import ProcessCache
from diglot.storage.sql.backend import Backend, Sql

T = TypeVar("T")
Row = Sequence[Any]
BoundValues = Mapping[str, Any]
NO_VALUES: BoundValues = {}


class Executable(Protocol):
    """What a transaction runs: something with SQL in a backend's words."""

    def sql_for(self, backend: Backend) -> Sql: ...


class Transaction(Protocol):
    """A transaction in progress. Rows are sequences in the order of the selected columns."""

    @property
    def backend(self) -> Backend: ...

    @property
    def process_cache(self) -> ProcessCache:
        """What this process remembers of the database: the same object in every transaction."""

    @property
    def may_write(self) -> bool:
        """Whether it may write: what it sees may then be undone, and is not for remembering."""

    @property
    def open_units(self) -> dict[int, Any]:
        """The write units that are open in this transaction, by workspace: each holds its lock once."""

    async def fetch_all(self, statement: Executable, values: BoundValues = NO_VALUES) -> Sequence[Row]:
        """Return all rows."""

    async def fetch_one(self, statement: Executable, values: BoundValues = NO_VALUES) -> Row | None:
        """Return the first row, or None."""

    async def execute(self, statement: Executable, values: BoundValues = NO_VALUES) -> None:
        """Run a statement that returns nothing."""

    async def execute_many(self, statement: Executable, values: Sequence[BoundValues]) -> None:
        """Run a statement once for each set of values."""

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        """Run a function that computes for long without holding up the event loop."""

    def notify_on_commit(self) -> None:
        """Have the engine's listener called once this is committed."""


UnitOfWork = Callable[[Transaction], Awaitable[T]]


class EphemeralBusyError(Exception):
    """The ephemeral tables are held by another process."""


class Engine(Protocol):
    """A database. `write` is one transaction; `read` is one snapshot; `glance` is for bounded point reads."""

    @property
    def backend(self) -> Backend: ...

    @property
    def point_reads_are_local(self) -> bool:
        """Whether a glance costs no round trip, so that nothing need be remembered between requests."""

    async def open(self) -> None:
        """Connect; raise `Misconfigured` when the database cannot be used."""

    async def close(self) -> None:
        """Finish what is under way and disconnect."""

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Have a function called after each commit of this process that was announced."""

    async def read(self, work: UnitOfWork[T]) -> T:
        """Run a unit that reads; all its reads see one state of the database."""

    async def point_read(self, work: UnitOfWork[T]) -> T:
        """Run a unit of one read by unique key; it is no transaction."""

    async def write(self, work: UnitOfWork[T]) -> T:
        """Run a unit that writes; it is durable when this returns, and undone when the unit raises."""

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        """Run a unit on the ephemeral tables, which all processes share and a crash may empty.

        Each statement stands alone. Raise `EphemeralBusyError` where another process locks them for long.
        """

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        """Run a function that computes for long, outside of any unit, without holding up the event loop."""


class NestedEngine:
    """A transaction in progress as an engine: each unit is a part of it, and is done or undone with it."""

    point_reads_are_local = True

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @property
    def backend(self) -> Backend:
        return self._transaction.backend

    async def open(self) -> None:
        """Nothing to do: the transaction is open."""

    async def close(self) -> None:
        """Nothing to do: who began the transaction ends it."""

    def on_commit(self, listener: Callable[[], None]) -> None:
        """Nothing to do: who began the transaction hears of its commit."""

    async def read(self, work: UnitOfWork[T]) -> T:
        """Run a unit that sees what was written, also what an open unit still held in memory."""
        for unit in self._transaction.open_units.values():
            await unit.flush()
        return await work(self._transaction)

    async def point_read(self, work: UnitOfWork[T]) -> T:
        return await self.read(work)

    async def write(self, work: UnitOfWork[T]) -> T:
        return await work(self._transaction)

    async def run_ephemeral(self, work: UnitOfWork[T]) -> T:
        """Raise RuntimeError: requests are counted before a transaction begins, never inside one."""
        del work
        raise RuntimeError("the ephemeral tables are not part of a transaction")

    async def run_off_loop(self, function: Callable[[], T]) -> T:
        return await self._transaction.run_off_loop(function)
