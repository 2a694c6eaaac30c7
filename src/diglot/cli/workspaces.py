"""`diglot workspaces`."""

import sys

import click

from diglot.cli.options import database_options, resolve_database, run_on_database
from diglot.service.access.workspaces import Workspaces


@click.group()
def workspaces() -> None:
    """List workspaces, set their time zones and their passwords.

    A workspace is a tenant: it owns contacts, segments and keys, and cannot see those of others.
    `diglot keys create` creates one.
    """


@workspaces.command("list")
@database_options
def list_workspaces(database: str | None, config: str | None) -> None:
    """List the workspaces with their time zones."""
    url = resolve_database(database, config)
    for workspace in run_on_database(url, lambda engine: Workspaces(engine).list_all()):
        click.echo(f"{workspace.name}\t{workspace.time_zone}")


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
    run_on_database(url, lambda engine: Workspaces(engine).set_time_zone(name, time_zone))
    click.echo(f"{name} has time zone {time_zone} now.", err=True)


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
    run_on_database(url, lambda engine: Workspaces(engine).set_password(name, given))
    click.echo(f"{name} has {'no password' if remove else 'a new password'} now.", err=True)


def _read_password() -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return asked
    return sys.stdin.read().removesuffix("\n").removesuffix("\r")
