"""The ephemeral tables of an embedded database: a separate file next to it, written without syncs.

Requests are counted here, because counting must not cost what a durable write does. Statements run on the
event loop's thread, because each touches few rows of a table that stays in memory.

Nothing syncs this file, so a power cut can tear it. A damaged file is deleted and created again, at start-up
and while serving, because it holds nothing of value: request counts, whose loss lets a key use its rate of
the current window once more, and leases, which only avoid duplicate work. The main database file is never
touched.

Several processes share the file. The first process that detects the damage replaces the file under a lock;
the others compare the inode that they have open with that of the path before each unit, and reconnect.
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
from diglot.storage.sql.sqlite_file import EPHEMERAL_SUFFIX, create_private
from diglot.storage.sql.sqlite_module import sqlite3

log = logging.getLogger("diglot")
T = TypeVar("T")
EPHEMERAL_BUSY_SECONDS: Final = 1
_DAMAGE: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
# SQLITE_IOERR_SHORT_READ: the file or its WAL ends inside a page. Not every module names the code.
_SHORT_READ: Final = 522
_Inode = tuple[int, int]


class EphemeralFile:
    """A connection to the ephemeral tables of a database; it recovers from damage to their file."""

    def __init__(self, database: Path, backend: Backend, metadata: MetaData) -> None:
        self._backend = backend
        self._tables = metadata.sorted_tables
        self.path = Path(f"{database}{EPHEMERAL_SUFFIX}")
        self._connection: sqlite3.Connection | None = None
        self._inode: _Inode | None = None

    def open(self) -> None:
        """Connect; create the file if it is missing, and create it again if it is damaged."""
        with _locked(self.path.parent):
            try:
                self._connect()
            except _Damaged as damage:
                self._delete(damage)
                self._connect()

    def close(self) -> None:
        """Disconnect.

        SQLite keeps the WAL of a new file here, because it sees that its own file was replaced.
        """
        if self._connection is not None:
            self._connection.close()
        self._connection = self._inode = None

    def run(self, unit: Callable[[sqlite3.Connection], T]) -> T:
        """Run a unit whose statements commit one by one; run it once more if the file was damaged."""
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
        """Delete the damaged file, unless another process was first, and connect to a new one."""
        with _locked(self.path.parent):
            if _inode(self.path) == self._inode:
                self._delete(damage)
        self.open()

    def _delete(self, damage: "_Damaged") -> None:
        log.warning(
            "%s is damaged (%s): it is made anew, which loses counts for rate limits and nothing else",
            *(self.path, damage),
        )
        # The database goes last, because SQLite would read a WAL left behind into a new database.
        for suffix in ("-wal", "-shm", ""):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


class _Damaged(sqlite3.DatabaseError):
    """The file has to be created again; the message says what is wrong with it."""


@contextmanager
def _telling_damage(connection: sqlite3.Connection, tables: Sequence[Table]) -> Iterator[None]:
    """Raise `_Damaged` instead of an SQLite error that reports damage or the tables of another version."""
    try:
        yield
    except _Damaged:
        raise
    except sqlite3.DatabaseError as error:
        # Some errors of the module, such as the use of a closed connection, have no error code.
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF in _DAMAGE or code == _SHORT_READ:
            raise _Damaged(str(error)) from error
        if code == sqlite3.SQLITE_ERROR and not all(_is_current(connection, each) for each in tables):
            raise _Damaged(f"its tables are not those of this version: {error}") from error
        raise


def _is_current(connection: sqlite3.Connection, table: Table) -> bool:
    """Tell whether a table of the file has the columns that this version uses."""
    columns = connection.execute(f"PRAGMA ephemeral.table_info({table.name})").fetchall()
    return [(name, key > 0) for _, name, _, _, _, key in columns] == [
        (column.name, column.primary_key) for column in table.columns
    ]


def _attach(connection: sqlite3.Connection, path: Path, backend: Backend, tables: Sequence[Table]) -> None:
    """Attach the file, create missing tables, and check all its pages."""
    create_private(path)
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
    """Return what identifies a file, not its path; None if there is no file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from opening or replacing the file meanwhile.

    The folder is locked, because a lock on the file itself would be deleted with it. On a file system without
    such locks, two processes that detect damage at the same time are not kept apart.
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
