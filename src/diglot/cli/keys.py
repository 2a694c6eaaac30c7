"""`diglot keys`."""

import sys
from datetime import UTC, datetime
from typing import Any

import click

from diglot.cli.options import database_options, resolve_database, run_on_database
from diglot.clock import system_clock
from diglot.conditions import dates
from diglot.conditions.dates import ParsedDate
from diglot.dialects.registry import DIALECTS, get_dialect
from diglot.errors import InvalidInput
from diglot.model.workspaces import ApiKey
from diglot.service.access.keys import KeyFormat, Keys

_STDIN = "-"

dialect_option = click.option(
    "--dialect",
    type=click.Choice([dialect.name for dialect in DIALECTS]),
    required=True,
    help="The API that the key is for.",
)
workspace_option = click.option(
    "--workspace", metavar="NAME", required=True, help="The workspace of the key; created if missing."
)
scopes_option = click.option(
    "--scopes", metavar="A,B", default="", help="The scopes, in the vendor's words. [default: audience]"
)
name_option = click.option("--name", metavar="TEXT", help="A name for the key; 1 to 80 characters.")
expires_option = click.option(
    "--expires-at",
    metavar="TIME",
    help="When the key expires: 2027-01-31, the start of that day in the workspace, or 2027-01-31T09:00:00Z.",
)
time_zone_option = click.option(
    "--time-zone", metavar="ZONE", help="The time zone of a new workspace, an IANA name. [default: UTC]"
)


@click.group()
def keys() -> None:
    """Create, list, revoke and adopt API keys.

    A key belongs to one workspace and speaks one dialect; a workspace may have keys of both. Keys are
    stored as digests, so a lost key cannot be shown again: revoke it and create another.
    """


@keys.command()
@dialect_option
@workspace_option
@scopes_option
@name_option
@expires_option
@time_zone_option
@click.option("--test", is_flag=True, help="Create a test key (tm_test_...), if the vendor has them.")
@database_options
def create(
    dialect: str, scopes: str, *, test: bool, database: str | None, config: str | None, **options: Any
) -> None:
    """Create a key and print only it on standard output. It is shown only once."""
    shape = get_dialect(dialect).key_format
    secret = _generate_test_secret(shape) if test else None
    click.echo(_store_key(shape, _split_scopes(scopes), secret, resolve_database(database, config), options))
    click.echo("Keep this key: it is not shown again.", err=True)


@keys.command()
@dialect_option
@workspace_option
@scopes_option
@name_option
@expires_option
@time_zone_option
@database_options
@click.argument("key", default=_STDIN)
def adopt(
    dialect: str, scopes: str, key: str, *, database: str | None, config: str | None, **options: Any
) -> None:
    """Register a KEY that your client already uses, so the client needs no change.

    Without KEY, or with `-`, the key is read from standard input and stays out of the shell's history.
    """
    shape = get_dialect(dialect).key_format
    _store_key(shape, _split_scopes(scopes), _read_key(key), resolve_database(database, config), options)
    click.echo("The key is registered.", err=True)


@keys.command("list")
@click.option("--workspace", metavar="NAME", help="List only the keys of this workspace.")
@database_options
def list_keys(workspace: str | None, database: str | None, config: str | None) -> None:
    """List the keys: id, workspace, dialect, prefix, scopes, creation time, state, name, last use.

    The state is `active`, `active until TIME`, `expired TIME` or `revoked TIME`; a last use appears within
    a minute.
    """
    url, now = resolve_database(database, config), system_clock()
    for owner, key in run_on_database(url, lambda engine: Keys(engine).list_all(workspace)):
        used = "never used" if key.last_used_at is None else f"used {_format_time(key.last_used_at)}"
        shown = (
            f"{key.prefix}...",
            ",".join(key.scopes),
            _format_time(key.created_at),
            _describe_state(key, now),
        )
        click.echo("\t".join((key.id, owner.name, key.dialect, *shown, key.name or "", used)))


def _describe_state(key: ApiKey, now: int) -> str:
    if key.revoked_at is not None:
        return f"revoked {_format_time(key.revoked_at)}"
    if key.expires_at is None:
        return "active"
    return f"{'active until' if key.is_valid_at(now) else 'expired'} {_format_time(key.expires_at)}"


@keys.command()
@click.argument("key", metavar="ID|KEY")
@database_options
def revoke(key: str, database: str | None, config: str | None) -> None:
    """Revoke a key permanently, by the ID from `diglot keys list` or by the KEY itself (`-` reads it).

    The key stops working immediately; with several workers on PostgreSQL, within a second.
    """
    url = resolve_database(database, config)
    run_on_database(url, lambda engine: Keys(engine).revoke(_read_key(key)))
    click.echo("The key is revoked.", err=True)


def _store_key(
    shape: KeyFormat, scopes: tuple[str, ...], secret: str | None, url: str, options: dict[str, Any]
) -> str:
    workspace: str = options["workspace"]
    zone: str | None = options["time_zone"]
    name: str | None = options["name"]
    ends = _parse_expiry(options["expires_at"])
    return run_on_database(
        url,
        lambda engine: Keys(engine).create(
            shape, workspace, scopes, time_zone=zone, secret=secret, name=name, expires_at=ends
        ),
        create_file=True,
    )


def _parse_expiry(text: str | None) -> ParsedDate | None:
    if text is None:
        return None
    if (written := dates.parse(text)) is None:
        raise InvalidInput.at(
            ("expires_at",), f"{text!r} is not a valid time: write 2027-01-31 or 2027-01-31T09:00:00Z"
        )
    return written


def _generate_test_secret(shape: KeyFormat) -> str:
    for prefix in shape.prefixes:
        if "test" in prefix:
            return shape.generate_secret(prefix)
    raise InvalidInput.at(("test",), f"{shape.dialect} has no test keys")


def _split_scopes(scopes: str) -> tuple[str, ...]:
    return tuple(scope.strip() for scope in scopes.split(",") if scope.strip())


def _read_key(key: str) -> str:
    if key != _STDIN:
        return key
    if sys.stdin.isatty():
        prompted: str = click.prompt("ApiKey", hide_input=True, err=True)
        return prompted.strip()
    return sys.stdin.read().strip()


def _format_time(instant: int) -> str:
    return datetime.fromtimestamp(instant // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
