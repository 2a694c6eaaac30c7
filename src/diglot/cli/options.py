"""What the commands share: where the database is, and an open engine on it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from diglot.settings import load
from diglot.storage.connect import is_embedded
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import is_risk_beside_others, sqlite3

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
    url = load({"database": database}, file=config).database
    warn_of_risk(url)
    return url


def warn_of_risk(url: str) -> None:
    """Warn of the WAL-reset bug where another process has an embedded database open.

    It is no refusal because a command writes once, and a process that was killed leaves the same sign.
    """
    if is_embedded(url) and is_risk_beside_others(parse_sqlite_path(url)):
        click.echo(
            f"diglot: warning: another process seems to have {str(parse_sqlite_path(url))!r} open, and SQLite "
            f"{sqlite3.sqlite_version} can corrupt a file that two processes write: stop the server first",
            err=True,
        )
