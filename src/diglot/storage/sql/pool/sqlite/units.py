"""Units of a SQLite file's writer, which run on the thread of its connection: several share a commit."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from diglot.storage.sql.engine import UnitOfWork
from diglot.storage.sql.pool.sqlite.failures import OpenFile
from diglot.storage.sql.pool.sqlite.process_turns import ProcessTurns
from diglot.storage.sql.pool.sqlite.thread import Begin, ConnectionThread
from diglot.storage.sql.pool.sqlite.transaction import SQLiteTransaction, run_without_suspending
from diglot.storage.sql.sqlite_module import sqlite3

# A commit begins no further unit after this time.
COMMIT_SECONDS: Final = 0.05
# A commit of long units begins no further one after this time while others wait.
LONG_SECONDS: Final = 0.005
# A unit that computes longer is a long one. Other threads and processes make every unit take longer.
LONG_CPU_SECONDS: Final = 0.003
# The workspace of a unit, None for a unit of no workspace.
Key = int | None


@dataclass(slots=True, eq=False)
class QueuedWrite:
    """A unit that waits for its commit, and what became of it."""

    work: UnitOfWork[Any]
    key: Key
    future: asyncio.Future[Any]
    since: float
    others_write: bool = False
    # The context of the request: its units share a commit with those of others.
    context: Context = field(default_factory=copy_context)
    ran: bool = False
    seconds: float = 0.0
    is_long: bool = False
    result: Any = None
    error: BaseException | None = None
    notified: AbstractSet[int] = frozenset()


class Commit(msgspec.Struct):
    """The units of a commit in their order, and those that `join` it before it has begun or while it runs.

    A unit that joins runs before the others, and the commit ends after it. If `may_give_way`, that is also so
    before any of the others ran. `should_end` tells whether no further unit runs after some seconds.
    """

    units: list[QueuedWrite]
    join: deque[QueuedWrite]
    may_give_way: bool
    should_end: Callable[[float], bool]

    def iterate(self) -> Iterator[QueuedWrite]:
        """Yield the units to run, and add those that join."""
        began = time.monotonic()
        waiting, ran, joined = deque(self.units), 0, False
        while self.join or waiting:
            if self.join:
                unit, joined = self.join.popleft(), True
                self.units.append(unit)
            elif joined and (ran or self.may_give_way):
                return
            else:
                unit, ran = waiting.popleft(), ran + 1
            yield unit
            seconds = time.monotonic() - began
            if seconds >= COMMIT_SECONDS or (self.should_end(seconds) and not self.join):
                return


def run_units(
    thread: ConnectionThread, commit: Commit, begin: Begin, file: OpenFile, turns: ProcessTurns
) -> bool:
    """Run the units of a commit in one transaction; on the thread.

    Return whether another process wrote since the last commit.
    """
    connection = thread.connection
    file.check()
    turns.begin(connection)
    try:
        others_wrote = turns.others_wrote(connection)
        transactions = _run_all(commit, begin, connection, others_wrote=others_wrote)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    # Whatever was committed to a file that is gone must not be acknowledged.
    file.check()
    for transaction in transactions:
        if transaction.large_sql:
            thread.bound_statements(transaction)
    return others_wrote


def _run_all(
    commit: Commit, begin: Begin, connection: sqlite3.Connection, *, others_wrote: bool
) -> Sequence[SQLiteTransaction]:
    """Run the units of a commit; return their transactions."""
    transactions: list[SQLiteTransaction] = []
    for unit in commit.iterate():
        transactions.append(begin(connection, may_write=True))
        transactions[-1].others_write = unit.others_write or others_wrote
        _run_unit(unit, transactions[-1], connection)
    return transactions


def _run_unit(unit: QueuedWrite, transaction: SQLiteTransaction, connection: sqlite3.Connection) -> None:
    began, cpu_began = time.monotonic(), time.thread_time()
    unit.ran = True
    connection.execute("SAVEPOINT unit")
    try:
        unit.result = unit.context.run(run_without_suspending, unit.work(transaction))
        unit.notified = transaction.notified
    except Exception as error:
        if not connection.in_transaction:
            # SQLite rolled all units back, for example because the disk is full.
            raise
        unit.error = error
        connection.execute("ROLLBACK TO unit")
    connection.execute("RELEASE unit")
    unit.seconds = time.monotonic() - began
    unit.is_long = time.thread_time() - cpu_began > LONG_CPU_SECONDS or unit.seconds > COMMIT_SECONDS
