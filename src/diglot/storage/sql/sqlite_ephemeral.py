"""The ephemeral tables of an embedded database: a file of its own beside it, without a sync.

What is counted for every request may not cost what a durable write does. Statements run where the request
is: each touches one row of a table that stays in memory.

A power cut can tear this file because nothing syncs it. A damaged file is deleted and made anew, at the
start and while serving, because nothing of value is in it: counts of requests, so that a key can at most
use its rate of the current window again, and leases, which spare work but do not make it right. The main
database file is never touched.

Several processes share the file. The one that meets the damage deletes the file and makes a new one under
a lock; the others compare the inode that they have open with that of the path before each unit, and follow.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import MetaData, Table
from sqlalchemy.schema import CreateTable

from diglot.storage.sql.backend import Backend
from diglot.storage.sql.sqlite_module import sqlite3

log = logging.getLogger("diglot")
T = TypeVar("T")
EPHEMERAL_SUFFIX: Final = "-ephemeral"
EPHEMERAL_BUSY_SECONDS: Final = 1
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# SQLITE_IOERR_SHORT_READ: the file or its log ends where a page should be. Not every module names it.
_SHORT_READ: Final = 522
_Inode = tuple[int, int]


class EphemeralFile:
    """A connection to the ephemeral tables of a database, which outlives damage to their file."""

    def __init__(self, database: Path, backend: Backend, metadata: MetaData) -> None:
        self._backend = backend
        self._tables = metadata.sorted_tables
        self.path = Path(f"{database}{EPHEMERAL_SUFFIX}")
        self._connection: sqlite3.Connection | None = None
        self._inode: _Inode | None = None

    def open(self) -> None:
        """Connect; make the file where it is missing, and anew where it is damaged."""
        with _locked(self.path.parent):
            try:
                self._connect()
            except _Damaged as damage:
                self._delete(damage)
                self._connect()

    def close(self) -> None:
        """Disconnect. SQLite deletes no log of a new file here, because it sees that its own was replaced."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._inode = None

    def run(self, unit: Callable[[sqlite3.Connection], T]) -> T:
        """Run a unit of statements that each stand alone; run it once more where it meets damage."""
        if self._inode is None or _inode(self.path) != self._inode:
            self.open()
        connection = self._connection
        assert connection is not None
        try:
            with _telling_damage(connection, self._tables):
                return unit(connection)
        except _Damaged as damage:
            self._replace(damage)
        assert self._connection is not None
        return unit(self._connection)

    def _connect(self) -> None:
        self.close()
        connection = sqlite3.connect(
            ":memory:", isolation_level=None, timeout=EPHEMERAL_BUSY_SECONDS, check_same_thread=False
        )
        try:
            with _telling_damage(connection, self._tables):
                _attach(connection, self.path, self._backend, self._tables)
        except BaseException:
            connection.close()
            raise
        self._connection, self._inode = connection, _inode(self.path)

    def _replace(self, damage: "_Damaged") -> None:
        """Delete the damaged file and connect to a new one; only connect where another process was first."""
        with _locked(self.path.parent):
            if _inode(self.path) == self._inode:
                self._delete(damage)
        self.open()

    def _delete(self, damage: "_Damaged") -> None:
        log.warning(
            "%s is damaged (%s): it is made anew, which loses counts for rate limits and nothing else",
            *(self.path, damage),
        )
        # The database goes last because a log beside a new database would be read into it.
        for suffix in ("-wal", "-shm", ""):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


class _Damaged(sqlite3.DatabaseError):
    """The file has to be made anew; the text says what is wrong with it."""


@contextmanager
def _telling_damage(connection: sqlite3.Connection, tables: Sequence[Table]) -> Iterator[None]:
    """Raise `_Damaged` in place of an error of SQLite that says that the file is at fault."""
    try:
        yield
    except _Damaged:
        raise
    except sqlite3.DatabaseError as error:
        # An error of the module itself, such as the use of a closed connection, has no code.
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in _DAMAGE or code == _SHORT_READ:
            raise _Damaged(str(error)) from error
        if code == sqlite3.SQLITE_ERROR and not all(_is_current(connection, each) for each in tables):
            raise _Damaged(f"its tables are not those of this version: {error}") from error
        raise


def _is_current(connection: sqlite3.Connection, table: Table) -> bool:
    """Tell whether a table of the file has the columns that this version uses."""
    found = connection.execute(f"PRAGMA ephemeral.table_info({table.name})").fetchall()
    return [(name, key > 0) for _, name, _, _, _, key in found] == [
        (column.name, column.primary_key) for column in table.columns
    ]


def _attach(connection: sqlite3.Connection, path: Path, backend: Backend, tables: Sequence[Table]) -> None:
    """Attach the file, make the tables that are missing, and check all pages of it."""
    connection.execute("ATTACH ? AS ephemeral", (str(path),))
    connection.execute("PRAGMA ephemeral.journal_mode=WAL")
    connection.execute("PRAGMA ephemeral.synchronous=OFF")
    for table in tables:
        connection.execute(str(CreateTable(table, if_not_exists=True).compile(dialect=backend.dialect)))
        if not _is_current(connection, table):
            raise _Damaged(f"table {table.name} is not that of this version")
    (verdict,) = connection.execute("PRAGMA ephemeral.quick_check(1)").fetchone()
    if verdict != "ok":
        raise _Damaged(" ".join(str(verdict).split()))


def _inode(path: Path) -> _Inode | None:
    """Return what tells a file from another one at the same path; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from opening or replacing the file meanwhile.

    The lock is the folder's because a lock of the file itself would be deleted with it. Where a file system
    has no such locks, two processes that meet damage at the same moment are not kept apart.
    """
    descriptor: int | None = None
    try:
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)
