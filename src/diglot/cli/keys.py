"""`diglot keys`."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import click

from diglot.cli.options import database_options, located
from diglot.clock import system_clock
from diglot.conditions import dates
from diglot.conditions.dates import ParsedDate
from diglot.dialects.registry import DIALECTS, dialect_named
from diglot.errors import Invalid
from diglot.model.workspaces import ApiKey, Workspace
from diglot.service.access.keys import KeyFormat, Keys
from diglot.storage.connect import existing, opened

_FROM_INPUT = "-"

dialect_option = click.option(
    "--dialect",
    type=click.Choice([dialect.name for dialect in DIALECTS]),
    required=True,
    help="Whose API the key opens.",
)
workspace_option = click.option(
    "--workspace", metavar="NAME", required=True, help="Whose data it opens; made when it is new."
)
scopes_option = click.option(
    "--scopes", metavar="A,B", default="", help="What it may do, in the vendor's words. [default: audience]"
)
name_option = click.option("--name", metavar="TEXT", help="What it is for; 1 to 80 characters.")
end_option = click.option(
    "--expires-at",
    metavar="TIME",
    help="When it stops: 2027-01-31, as that day begins in the workspace, or 2027-01-31T09:00:00Z.",
)
zone_option = click.option(
    "--time-zone", metavar="ZONE", help="The time zone of a new workspace, an IANA name. [default: UTC]"
)


@click.group()
def keys() -> None:
    """Create, list, revoke and adopt API keys.

    A key belongs to one workspace and speaks one dialect; a workspace may have keys of both. Keys are
    stored as digests, so a lost key cannot be shown again: revoke it and make another.
    """


@keys.command()
@dialect_option
@workspace_option
@scopes_option
@name_option
@end_option
@zone_option
@click.option("--test", is_flag=True, help="Make a test key (tm_test_...), where the vendor has them.")
@database_options
def create(
    dialect: str, scopes: str, *, test: bool, database: str | None, config: str | None, **options: Any
) -> None:
    """Make a key and print it, alone, on standard output. It is shown this once."""
    shape = dialect_named(dialect).keys
    secret = _test_secret(shape) if test else None
    click.echo(_keep(shape, _split(scopes), secret, located(database, config), options))
    click.echo("Keep this key: it is not shown again.", err=True)


@keys.command()
@dialect_option
@workspace_option
@scopes_option
@name_option
@end_option
@zone_option
@database_options
@click.argument("key", default=_FROM_INPUT)
def adopt(
    dialect: str, scopes: str, key: str, *, database: str | None, config: str | None, **options: Any
) -> None:
    """Register a KEY that your client has already, so that it need not change.

    Without KEY, or with `-`, the key is read from standard input and stays out of the shell's history.
    """
    shape = dialect_named(dialect).keys
    _keep(shape, _split(scopes), _read(key), located(database, config), options)
    click.echo("The key is registered.", err=True)


@keys.command("list")
@click.option("--workspace", metavar="NAME", help="Only the keys of this workspace.")
@database_options
def list_(workspace: str | None, database: str | None, config: str | None) -> None:
    """List the keys: id, workspace, dialect, beginning, scopes, when made, state, name, last use.

    The state is `active`, `active until TIME`, `expired TIME` or `revoked TIME`; a last use appears within
    a minute.
    """

    async def work() -> list[tuple[Workspace, ApiKey]]:
        async with existing(located(database, config)) as engine:
            return await Keys(engine).list_all(workspace)

    now = system_clock()
    for owner, key in asyncio.run(work()):
        used = "never used" if key.last_used_at is None else f"used {_time(key.last_used_at)}"
        shown = (f"{key.prefix}...", ",".join(key.scopes), _time(key.created_at), _state(key, now))
        click.echo("\t".join((key.id, owner.name, key.dialect, *shown, key.name or "", used)))


def _state(key: ApiKey, now: int) -> str:
    if key.revoked_at is not None:
        return f"revoked {_time(key.revoked_at)}"
    if key.expires_at is None:
        return "active"
    return f"{'active until' if key.is_valid_at(now) else 'expired'} {_time(key.expires_at)}"


@keys.command()
@click.argument("key", metavar="ID|KEY")
@database_options
def revoke(key: str, database: str | None, config: str | None) -> None:
    """Revoke a key for good, by the ID of `diglot keys list` or by the KEY itself (`-` reads it).

    It stops at once; with several workers on PostgreSQL within a second.
    """

    async def work() -> None:
        async with existing(located(database, config)) as engine:
            await Keys(engine).revoke(_read(key))

    asyncio.run(work())
    click.echo("The key is revoked.", err=True)


def _keep(
    shape: KeyFormat, scopes: tuple[str, ...], secret: str | None, url: str, options: dict[str, Any]
) -> str:
    workspace: str = options["workspace"]
    zone: str | None = options["time_zone"]
    name: str | None = options["name"]
    ends = _written(options["expires_at"])

    async def work() -> str:
        async with opened(url) as engine:
            return await Keys(engine).create(
                shape, workspace, scopes, time_zone=zone, secret=secret, name=name, expires_at=ends
            )

    return asyncio.run(work())


def _written(text: str | None) -> ParsedDate | None:
    if text is None:
        return None
    if (written := dates.parse(text)) is None:
        raise Invalid.at(("expires_at",), f"{text!r} is no time: write 2027-01-31 or 2027-01-31T09:00:00Z")
    return written


def _test_secret(shape: KeyFormat) -> str:
    for prefix in shape.prefixes:
        if "test" in prefix:
            return shape.generate_secret(prefix)
    raise Invalid.at(("test",), f"{shape.dialect} has no test keys")


def _split(scopes: str) -> tuple[str, ...]:
    return tuple(scope.strip() for scope in scopes.split(",") if scope.strip())


def _read(key: str) -> str:
    if key != _FROM_INPUT:
        return key
    if sys.stdin.isatty():
        prompted: str = click.prompt("ApiKey", hide_input=True, err=True)
        return prompted.strip()
    return sys.stdin.read().strip()


def _time(instant: int) -> str:
    return datetime.fromtimestamp(instant // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
