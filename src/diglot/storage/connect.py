"""Opens databases: returns an engine for a URL, connected and at the latest schema revision."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from diglot.errors import Misconfigured
from diglot.storage.schema import ephemeral_metadata, revisions
from diglot.storage.sql.databases import find_database
from diglot.storage.sql.engine import DEFAULT_LIMITS, Engine, Limits


def create_engine(url: str, limits: Limits = DEFAULT_LIMITS) -> Engine:
    """Return the engine for a database URL or a file name; raise `Misconfigured` for an invalid one."""
    return find_database(url).create_engine(url, ephemeral_metadata, limits)


def name_database(url: str) -> str:
    """Return the name of the kind of database that a URL names, such as `sqlite`."""
    return find_database(url).name


def is_embedded(url: str) -> bool:
    """Tell whether a database is a local file, which Diglot migrates by itself."""
    return find_database(url).embedded is not None


def find_file(url: str) -> Path:
    """Return the path of an embedded database; raise `Misconfigured` for a URL that names no file."""
    embedded = find_database(url).embedded
    assert embedded is not None, "a server's database has no file here"
    return embedded.find_file(url)


def name_library(url: str) -> str | None:
    """Return the library that reads an embedded database and its version; None for a server."""
    embedded = find_database(url).embedded
    return None if embedded is None else embedded.library()


def measure_free_bytes(url: str) -> int | None:
    """Return the free space on the disk of an embedded database; None for a server. Raise OSError."""
    if not is_embedded(url):
        return None
    disk = os.statvfs(find_file(url).absolute().parent)
    return disk.f_bavail * disk.f_frsize


def measure_files(url: str) -> Mapping[str, int]:
    """Return the sizes of the files of an embedded database in bytes, by what they hold."""
    embedded = find_database(url).embedded
    return {} if embedded is None else embedded.measure_files(embedded.find_file(url))


def require_shareable(url: str, workers: int) -> None:
    """Raise `Misconfigured` if this number of workers must not share a database."""
    embedded = find_database(url).embedded
    if embedded is not None:
        embedded.require_shareable(workers)


def warn_beside_others(url: str) -> str | None:
    """Return a warning if another process has a database open that two processes could corrupt."""
    embedded = find_database(url).embedded
    return None if embedded is None else embedded.warn_beside_others(embedded.find_file(url))


async def prepare_database(url: str) -> None:
    """Migrate a SQLite file; raise `Misconfigured` for a PostgreSQL database that is not migrated."""
    if not is_embedded(url):
        await revisions.require_latest(url)
    elif revisions.is_behind(await revisions.read_revision(url)):
        from diglot.storage.schema.migrate import upgrade_schema  # noqa: PLC0415 - alembic costs a start 0.2 s

        await upgrade_schema(url)


@asynccontextmanager
async def open_engine(url: str) -> AsyncIterator[Engine]:
    """Yield an engine on a migrated database and close it at the end; a missing file is created."""
    await prepare_database(url)
    engine = create_engine(url)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def open_existing_engine(url: str) -> AsyncIterator[Engine]:
    """Yield an engine on a database that exists.

    A missing file raises `Misconfigured`, because a mistyped file name must not create an empty database.
    """
    if is_embedded(url) and not (file := find_file(url)).exists():
        raise Misconfigured(f"there is no database file {str(file)!r}: is --database right?")
    async with open_engine(url) as engine:
        yield engine


async def open_for_serving(engine: Engine, url: str) -> None:
    """Open an engine whose database may be away; it is checked as soon as it answers.

    Raise `Misconfigured` if it answers and cannot be used.
    """
    await engine.open(partial(revisions.require_latest, url))


async def check_database(url: str) -> None:
    """Open a database once, so that start-up fails early, with one line, if it cannot be used.

    A database that is away is no reason to fail, because the workers wait for it.
    """
    if is_embedded(url):
        await prepare_database(url)
    engine = create_engine(url)
    await open_for_serving(engine, url)
    await engine.close()
