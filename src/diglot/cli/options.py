"""What the commands share: where the database is, and an open engine on it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import click

from diglot.errors import Misconfigured
from diglot.settings import Settings, load
from diglot.storage.schema import revisions
from diglot.storage.sql.engine import Engine, connect, is_postgresql, sqlite_path
from diglot.storage.sql.sqlite_module import is_risk_beside_others, require_mended, sqlite3

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    metavar="FILE",
    help="A TOML file of settings, such as `port = 8000`. Flags and DIGLOT_... variables win over it.",
)


def database_options(command: F) -> F:
    """Add the options that say where the database is; `located` reads them."""
    database_option = click.option(
        "--database",
        metavar="FILE|URL",
        help="A SQLite file or postgresql://USER:PASSWORD@HOST/NAME. [default: diglot.db]",
    )
    return database_option(config_option(command))


def located(database: str | None, config: str | None) -> str:
    """Return the database that a command is about, found like the server's."""
    return load({"database": database}, file=config).database


def is_embedded(url: str) -> bool:
    """Tell whether a database is a file of this machine, which Diglot keeps up to date by itself."""
    return not is_postgresql(url)


def warn_of_risk(url: str) -> None:
    """Warn of the WAL-reset bug where another process has an embedded database open.

    It is no refusal because a command writes once, and a process that was killed leaves the same sign.
    """
    if is_embedded(url) and is_risk_beside_others(sqlite_path(url)):
        click.echo(
            f"diglot: warning: another process seems to have {str(sqlite_path(url))!r} open, and SQLite "
            f"{sqlite3.sqlite_version} can corrupt a file that two processes write: stop the server first",
            err=True,
        )


async def make_ready(url: str) -> None:
    """Bring an embedded database up to date; raise `Misconfigured` for a server's that is not."""
    warn_of_risk(url)
    if not is_embedded(url):
        await revisions.require_latest(url)
    elif revisions.is_behind(await revisions.read_revision(url)):
        from diglot.storage.schema.migrate import upgrade  # noqa: PLC0415 - alembic costs a start 0.2 s

        await upgrade(url)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Engine]:
    """Lend an engine on a database that is ready; a missing file is made."""
    await make_ready(url)
    engine = connect(url)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


@asynccontextmanager
async def existing(url: str) -> AsyncIterator[Engine]:
    """Lend an engine on a database that is there: a mistyped file name makes no empty one."""
    if is_embedded(url) and not sqlite_path(url).exists():
        raise Misconfigured(f"there is no database file {str(sqlite_path(url))!r}: is --database right?")
    async with opened(url) as engine:
        yield engine


async def check(settings: Settings) -> None:
    """Open the database once, so that a bad one stops the start with one line."""
    if is_embedded(settings.database):
        require_mended(settings.workers)
    async with opened(settings.database):
        pass
