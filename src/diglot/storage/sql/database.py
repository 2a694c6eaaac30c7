"""A database: its SQL, and how Diglot finds, opens and migrates it. One record describes each."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import Connection, MetaData

from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Engine

T = TypeVar("T")


class MigrationTransaction(Protocol):
    """A transaction in progress; alembic is not asynchronous, so that it runs in a function."""

    async def run_sync(self, function: Callable[[Connection], T], /) -> T:
        """Run a function of a connection and return its result."""


@dataclass(frozen=True)
class Migrator:
    """How alembic reaches a database; loaded only when there is something to migrate."""

    begin: Callable[[str], AbstractAsyncContextManager[MigrationTransaction]]
    """Begins a transaction for which other processes wait, so that each upgrade happens once and whole."""
    driver_errors: tuple[type[Exception], ...]


@dataclass(frozen=True)
class Embedded:
    """What only a database in a file of this machine has."""

    find_file: Callable[[str], Path]
    """The file that a URL names; raises `Misconfigured` for what is not a file."""
    library: Callable[[], str]
    """The library that reads the file, with its version."""
    require_shareable: Callable[[int], None]
    """Raises `Misconfigured` when the library does not let so many workers share a file."""
    warn_beside_others: Callable[[Path], str | None]
    """A warning when another process has the file open and the library could corrupt it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Database(Backend):
    """A database that Diglot can use."""

    url_prefixes: tuple[str, ...]
    create_engine: Callable[[str, MetaData], Engine]
    """The engine for a URL, given the tables that a crash may empty."""
    read_revision: Callable[[str], Awaitable[str | None]]
    """The revision of the schema, or None where the database has no tables; raises `Misconfigured`."""
    load_migrator: Callable[[], Migrator]
    embedded: Embedded | None = None
    """None for a server's database, which its operator migrates."""
