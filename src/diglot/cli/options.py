"""Options and helpers that the commands share: the database URL, and an engine for it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import click

from diglot.errors import Misconfigured
from diglot.setting_sources import load_settings
from diglot.settings import Setting
from diglot.storage.connect import open_engine, open_existing_engine, warn_beside_others
from diglot.storage.sql.engine import Engine

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

config_option = click.option(
    "--config",
    metavar="FILE",
    help="A TOML file with settings, such as `port = 8000`. Flags and DIGLOT_... variables override it.",
)


def setting_option(setting: Setting) -> Callable[[F], F]:
    """Return the option of a setting; without the flag its value is None, so that other sources count."""
    flag = f"--{setting.name.replace('_', '-')}"
    if setting.kind is bool:
        default = "yes" if setting.default else "no"
        flag = f"{flag}/--no-{flag.removeprefix('--')}"
        return click.option(flag, default=None, help=f"{setting.description} [default: {default}]")
    return click.option(
        flag,
        type=setting.kind,
        metavar=None
        if setting.unit is None
        else setting.unit.upper()
        if setting.kind is int
        else setting.unit,
        help=f"{setting.description} [default: {setting.default}]",
    )


class Progress:
    """Shows on standard error how far a long command is, on one line of a terminal.

    Outside of a terminal it writes a line for each tenth of the work, so that a log stays short.
    """

    def __init__(self, done: str) -> None:
        self._done = done
        self._shown = -1
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal and self._shown >= 0:
            click.echo(err=True)

    def show(self, count: int, total: int) -> None:
        """Show that so many of all items are done, such as bytes or rows."""
        percent = 100 * count // total if total else 100
        step = percent if self._terminal else percent // 10
        if step > self._shown:
            self._shown = step
            line = f"{percent} % {self._done}"
            click.echo(f"\r{line}" if self._terminal else line, err=True, nl=not self._terminal)


def database_options(command: F) -> F:
    """Add the options for the database, which `resolve_database` reads."""
    database_option = click.option(
        "--database",
        metavar="FILE|URL",
        help="A SQLite file or postgresql://USER:PASSWORD@HOST/NAME. [default: diglot.db]",
    )
    return database_option(config_option(command))


def resolve_database(database: str | None, config: str | None) -> str:
    """Return the database URL of a command, resolved in the same way as for the server."""
    url = load_settings({"database": database}, file=config).database
    warn_of_risk(url)
    return url


def run_on_database(url: str, work: Callable[[Engine], Awaitable[T]], *, create_file: bool = False) -> T:
    """Run a function on a database; a file that does not exist is created only if `create_file` is set."""

    async def run() -> T:
        async with (open_engine if create_file else open_existing_engine)(url) as engine:
            return await work(engine)

    return asyncio.run(run())


def require_confirmation(expected: str, given: str | None, what: str) -> None:
    """Ask for a name that confirms what cannot be undone, unless it is given; raise `Misconfigured`.

    Outside of a terminal it is a line of standard input.
    """
    if given is None:
        question = f"This cannot be undone. To confirm, type {what}"
        if sys.stdin.isatty():
            given = click.prompt(question, err=True)
        else:
            given = sys.stdin.readline().rstrip("\r\n")
    if given != expected:
        raise Misconfigured(
            f"not confirmed, so nothing is changed: give {what}, {expected!r}, with --confirm"
        )


def warn_of_risk(url: str) -> None:
    """Warn about the WAL-reset bug if another process has an embedded database open.

    This is only a warning, because a command writes once and a killed process leaves the same traces.
    """
    if (warning := warn_beside_others(url)) is not None:
        click.echo(f"diglot: warning: {warning}", err=True)
