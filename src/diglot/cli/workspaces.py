"""`diglot workspaces`."""

import sys

import click

from diglot.cli.options import (
    Progress,
    database_options,
    require_confirmation,
    resolve_database,
    run_on_database,
)
from diglot.service.access.workspace_removal import WorkspaceRemoval
from diglot.service.access.workspaces import Workspaces


@click.group()
def workspaces() -> None:
    """List, rename and delete workspaces, set their time zones and passwords.

    A workspace is a tenant: it owns contacts, segments and keys, and cannot see those of others.
    `diglot keys create` creates one.
    """


@workspaces.command("list")
@database_options
def list_workspaces(database: str | None, config: str | None) -> None:
    """List the workspaces with their time zones."""
    url = resolve_database(database, config)
    for workspace in run_on_database(url, lambda engine: Workspaces(engine.in_background()).list_all()):
        click.echo(f"{workspace.name}\t{workspace.time_zone or 'being deleted'}")


@workspaces.command("set")
@click.argument("name")
@click.option(
    "--time-zone", metavar="ZONE", required=True, help="An IANA name, such as Europe/Berlin or UTC."
)
@database_options
def set_workspace(name: str, time_zone: str, database: str | None, config: str | None) -> None:
    """Set the time zone in which the days of the workspace NAME begin.

    Bare dates in contacts and in segments, and "exactly N days ago", follow it.
    """
    url = resolve_database(database, config)
    run_on_database(url, lambda engine: Workspaces(engine.in_background()).set_time_zone(name, time_zone))
    click.echo(f"{name} has time zone {time_zone} now.", err=True)


@workspaces.command()
@click.argument("old")
@click.argument("new")
@database_options
def rename(old: str, new: str, database: str | None, config: str | None) -> None:
    """Rename the workspace OLD to NEW; its keys and sessions stay valid."""
    url = resolve_database(database, config)
    run_on_database(url, lambda engine: Workspaces(engine.in_background()).rename(old, new))
    click.echo(f"{old} is {new} now.", err=True)


@workspaces.command()
@click.argument("name")
@click.option("--confirm", metavar="NAME", help="The name again; without it, the command asks for it.")
@database_options
def delete(name: str, *, confirm: str | None, database: str | None, config: str | None) -> None:
    """Delete the workspace NAME with its contacts, segments, lists, keys and everything else.

    Its keys stop working first. Servers go on meanwhile. If the command is interrupted, run it again.
    """
    url = resolve_database(database, config)
    require_confirmation(name, confirm, "the name of the workspace")
    with Progress("deleted") as progress:
        count = run_on_database(
            url, lambda engine: WorkspaceRemoval(engine.in_background(), progress.show).delete(name)
        )
    click.echo(f"{name} is deleted, with {count:,} rows.", err=True)


@workspaces.command()
@click.argument("name")
@click.option("--remove", is_flag=True, help="Remove the password, so nobody can sign in.")
@database_options
def password(name: str, *, remove: bool, database: str | None, config: str | None) -> None:
    """Set the password for signing in to the workspace NAME.

    The command prompts for it or reads it from standard input, and stores an argon2 hash. All browser
    sessions of the workspace are signed out.
    """
    given = None if remove else _read_password()
    url = resolve_database(database, config)
    run_on_database(url, lambda engine: Workspaces(engine.in_background()).set_password(name, given))
    click.echo(f"{name} has {'no password' if remove else 'a new password'} now.", err=True)


def _read_password() -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")
