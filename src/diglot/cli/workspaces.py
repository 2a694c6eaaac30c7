"""`diglot workspaces`."""

import sys
from pathlib import Path

import click

from diglot.background.check import Check
from diglot.cli.new_files import new_file
from diglot.cli.options import (
    Progress,
    database_options,
    require_confirmation,
    resolve_database,
    run_on_database,
)
from diglot.conditions.events.fields import MAX_DAYS as MAX_EVENT_DAYS
from diglot.plurals import count_of
from diglot.service.access.workspace_removal import WorkspaceRemoval
from diglot.service.access.workspaces import Workspaces
from diglot.service.archives.archives import Archives
from diglot.storage.sql.engine import Engine


@click.group()
def workspaces() -> None:
    """List, rename, delete, export and import workspaces, set their time zones and passwords.

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
@click.option("--time-zone", metavar="ZONE", help="An IANA name, such as Europe/Berlin or UTC.")
@click.option(
    "--event-days",
    metavar="N",
    type=click.IntRange(0, MAX_EVENT_DAYS),
    help="Days for which events of contacts are kept; 0 for ever, which is the default.",
)
@database_options
def set_workspace(
    name: str, *, time_zone: str | None, event_days: int | None, database: str | None, config: str | None
) -> None:
    """Set the time zone in which the days of the workspace NAME begin, or how long it keeps events.

    Bare dates in contacts and in segments, and "exactly N days ago", follow the time zone. Events are deleted
    in the background once they are too old; what they add up to without a window stays. They cannot be kept
    for a shorter time than a window in the rules of a dynamic segment.
    """
    if time_zone is None and event_days is None:
        raise click.UsageError("Give --time-zone or --event-days.")
    url = resolve_database(database, config)
    if time_zone is not None:
        run_on_database(url, lambda engine: Workspaces(engine.in_background()).set_time_zone(name, time_zone))
        click.echo(f"{name} has time zone {time_zone} now.", err=True)
    if event_days is not None:
        run_on_database(
            url, lambda engine: Workspaces(engine.in_background()).set_event_days(name, event_days)
        )
        kept = f"for {count_of(event_days, 'day')}" if event_days else "for ever"
        click.echo(f"{name} keeps events {kept} now.", err=True)


@workspaces.command()
@click.argument("old")
@click.argument("new")
@database_options
def rename(old: str, new: str, database: str | None, config: str | None) -> None:
    """Rename the workspace OLD to NEW; its keys and sessions stay valid."""
    url = resolve_database(database, config)
    run_on_database(url, lambda engine: Workspaces(engine.in_background()).rename(old, new))
    click.echo(f"{old} is {new} now.", err=True)


@workspaces.command("export")
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
@database_options
def export_workspace(name: str, file: Path, database: str | None, config: str | None) -> None:
    """Write everything in the workspace NAME into a new FILE, an archive that `import` reads.

    It has contacts, segments, lists, tags, events, webhooks with their secrets, and the history of
    memberships, as they are at one instant. Keys, sessions, the password and the responses kept for retries
    are not in it. Servers go on.
    """
    url = resolve_database(database, config)
    with new_file(file) as archive, Progress("written") as progress:
        manifest = run_on_database(
            url, lambda engine: Archives(engine.in_background(), progress.show).write(name, archive)
        )
    contacts, rows = count_of(manifest.rows_of("contacts"), "contact"), count_of(manifest.rows, "row")
    click.echo(f"{file} has {name} with {contacts}, {rows} in all.", err=True)


@workspaces.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--as", "name", metavar="NAME", help="The name of the workspace. [default: its name in FILE]")
@database_options
def import_workspace(file: Path, *, name: str | None, database: str | None, config: str | None) -> None:
    """Create a workspace from FILE, an archive that `export` wrote; it equals the one that was exported.

    FILE is verified before anything is written, and the workspace after: each dynamic segment is compared
    with a full evaluation. Its webhooks are active, so stop the server that it comes from before. If the
    command is interrupted, nothing is there; run it again. Exits with 1 if a check finds a difference.
    """
    read_archive(file, name, resolve_database(database, config))


def read_archive(file: Path, name: str | None, url: str) -> None:
    """Create a workspace from an archive and check it; exit with 1 if the check finds a difference."""
    findings: list[str] = []
    with file.open("rb") as archive, Progress("read") as progress:

        async def read(engine: Engine) -> tuple[str, int]:
            engine = engine.in_background()
            manifest = await Archives(engine, progress.show).read(archive, name)
            created = manifest.workspace if name is None else name
            await Check(engine, findings.append, lambda *_: None).run(repair=False, only=created)
            return created, manifest.rows_of("contacts")

        created, count = run_on_database(url, read)
    contacts = count_of(count, "contact")
    click.echo(f"{created} is there with {contacts}. `diglot keys create` makes keys for it.", err=True)
    for finding in findings:
        click.echo(finding)
    if findings:
        raise click.exceptions.Exit(1)


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
    click.echo(f"{name} is deleted, with {count_of(count, 'row')}.", err=True)


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
