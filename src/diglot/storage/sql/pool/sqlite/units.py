"""Units of a SQLite file's writer, which run on the thread of its connection: several share a commit."""

import asyncio
import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Final

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


def run_units(  # noqa: PLR0913, PLR0917 - what a commit needs of its writer
    thread: ConnectionThread,
    units: Sequence[QueuedWrite],
    begin: Begin,
    file: OpenFile,
    turns: ProcessTurns,
    should_end: Callable[[float], bool],
) -> bool:
    """Run units in one transaction until the commit has taken its time; on the thread.

    Return whether another process wrote since the last commit.
    """
    connection = thread.connection
    file.check()
    turns.begin(connection)
    try:
        others_wrote = turns.others_wrote(connection)
        transactions = _run_until(units, begin, connection, should_end, others_wrote=others_wrote)
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


def _run_until(
    units: Sequence[QueuedWrite],
    begin: Begin,
    connection: sqlite3.Connection,
    should_end: Callable[[float], bool],
    *,
    others_wrote: bool,
) -> Sequence[SQLiteTransaction]:
    """Run units until the commit has taken its time; return their transactions."""
    began = time.monotonic()
    transactions: list[SQLiteTransaction] = []
    for unit in units:
        transactions.append(begin(connection, may_write=True))
        transactions[-1].others_write = unit.others_write or others_wrote
        _run_unit(unit, transactions[-1], connection)
        if should_end(time.monotonic() - began):
            break
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
