"""A database as one record: its SQL, and how Diglot finds, opens and migrates it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, MetaData, TableClause

from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Engine, Limits

T = TypeVar("T")


class MigrationTransaction(Protocol):
    """A transaction in progress; alembic is synchronous, so it runs in a function."""

    async def run_sync(self, function: Callable[[Connection], T], /) -> T:
        """Run a function with the connection and return its result."""


@dataclass(frozen=True, slots=True)
class TablePlacement:
    """Where a distributed database keeps a table: in shards by a column, or, without one, on every node.

    `beside` is the table whose shards share their nodes with the shards of this one. `shards` is the number
    of its shards; None for the number that the database is set to.
    """

    table: TableClause
    column: str | None = None
    beside: str | None = None
    shards: int | None = None
    may_have_rows: bool = False

    @property
    def name(self) -> str:
        """The name of the table, with its schema if that is not the default one."""
        return self.table.fullname


@dataclass(frozen=True)
class Distributor:
    """How a database distributes tables over several nodes, within a transaction."""

    require: Callable[[Connection], None]
    """Raises `Misconfigured` if this database cannot do so now."""
    distribute: Callable[[Connection, Sequence[TablePlacement]], Sequence[str]]
    """Distributes the tables that are not distributed yet, and returns their names.

    Raises `Misconfigured` if a table cannot be.
    """
    find_local: Callable[[Connection, Sequence[TablePlacement]], Sequence[str] | None]
    """The names of the tables that are not distributed, although others are; None if none is."""


@dataclass(frozen=True)
class Migrator:
    """How alembic connects to a database; imported only for a migration."""

    begin: Callable[[str], AbstractAsyncContextManager[MigrationTransaction]]
    """Begins a transaction that other processes wait for, so that an upgrade runs once and completely."""
    driver_errors: tuple[type[Exception], ...]
    distributor: Distributor | None = None
    """None for a database on one machine."""


class VerifiedFile(msgspec.Struct, frozen=True):
    """A file that was read from beginning to end: its size in bytes, its revision, its contacts."""

    size: int
    revision: str | None
    contact_count: int


class FileState(msgspec.Struct, frozen=True):
    """What a look at the pages of a file found: its bytes, those of free pages, and each damage in words."""

    size: int
    free_size: int
    damage: tuple[str, ...]


@dataclass(frozen=True)
class Embedded:
    """What only a database in a local file has."""

    find_file: Callable[[str], Path]
    """The file that a URL names; raises `Misconfigured` if it names no file."""
    library: Callable[[], str]
    """The library that reads the file, with its version."""
    require_shareable: Callable[[int], None]
    """Raises `Misconfigured` if this number of workers must not share a file with the library."""
    warn_beside_others: Callable[[Path], str | None]
    """A warning if another process has the file open and the library could corrupt it."""
    measure_files: Callable[[Path], Mapping[str, int]]
    """The bytes of the file and of those next to it, by what they hold; a missing one has 0."""
    back_up: Callable[[Path, Path, Callable[[int, int], None]], VerifiedFile]
    """Copies the file, also in use, into a new one; calls a function with the bytes written and all bytes."""
    verify_file: Callable[[Path], VerifiedFile]
    """Reads a whole file; raises `Misconfigured` if it is damaged."""
    inspect_file: Callable[[Path], FileState]
    """Checks the pages, indexes and keys of a file in use; raises `Misconfigured` if it cannot be opened."""
    vacuum: Callable[[Path], None]
    """Rewrites a file in use, so that nothing is left of deleted rows."""
    replace: Callable[[Path, Path, Path], bool]
    """Puts a backup in place of the file, kept under a third name; tells whether there was one to keep."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Database(Backend):
    """A database that Diglot can use."""

    create_engine: Callable[[str, MetaData, Limits], Engine]
    """The engine for a URL, given the ephemeral tables."""
    read_revision: Callable[[str], Awaitable[str | None]]
    """The revision of the schema, or None if the database has no tables; raises `Misconfigured`."""
    find_local_tables: Callable[[str, Sequence[str]], Awaitable[Sequence[str]]]
    """Which of the named tables are on one node only, although others are distributed."""
    load_migrator: Callable[[], Migrator]
    embedded: Embedded | None = None
    """None for a server's database, which its operator migrates."""
    backup_command: str = ""
    """The command of a server's database that makes a backup; Diglot copies an embedded one itself."""
    restore_command: str = ""
