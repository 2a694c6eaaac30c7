"""`diglot webhooks-in`."""

import sys

import click

from diglot.cli.keys import dialect_option
from diglot.cli.options import database_options, resolve_database, run_on_database
from diglot.conditions import dates
from diglot.dialects.registry import get_dialect
from diglot.service.access.webhook_sources import WebhookSources


@click.group("webhooks-in")
def webhooks_in() -> None:
    """Receive the webhooks of a vendor, so that its opens and opt-outs are known here.

    A source is a path that you give to the vendor as the address of a webhook, with the secret that it signs
    with.
    """


@webhooks_in.command()
@dialect_option
@click.option("--workspace", metavar="NAME", required=True, help="The workspace of the contacts.")
@database_options
def create(dialect: str, workspace: str, database: str | None, config: str | None) -> None:
    """Create a source and print its path. It rejects all webhooks until its secret is set."""
    url = resolve_database(database, config)
    id_ = run_on_database(url, lambda engine: WebhookSources(engine).create(workspace, dialect))
    click.echo(_path_of(dialect, id_))
    click.echo(f"Set the secret of the vendor: diglot webhooks-in secret {id_}", err=True)


@webhooks_in.command()
@click.argument("source")
@database_options
def secret(source: str, database: str | None, config: str | None) -> None:
    """Set the secret of SOURCE, an id; the command prompts for it or reads it from standard input."""
    url, given = resolve_database(database, config), _read_secret()
    run_on_database(url, lambda engine: WebhookSources(engine).set_secret(source, given))
    click.echo("The secret is set.", err=True)


@webhooks_in.command("list")
@database_options
def list_sources(database: str | None, config: str | None) -> None:
    """List the sources: id, workspace, dialect, path, creation time, and whether the secret is set."""
    url = resolve_database(database, config)
    for one in run_on_database(url, lambda engine: WebhookSources(engine).list_all()):
        state = "no secret" if one.secret is None else "active"
        owner, path = f"{one.workspace_name}\t{one.dialect}", _path_of(one.dialect, one.id)
        click.echo(f"{one.id}\t{owner}\t{path}\t{dates.format_instant(one.created_at)}\t{state}")


@webhooks_in.command()
@click.argument("source")
@database_options
def delete(source: str, database: str | None, config: str | None) -> None:
    """Delete SOURCE, an id; its path rejects all webhooks from then on."""
    url = resolve_database(database, config)
    run_on_database(url, lambda engine: WebhookSources(engine).delete(source))
    click.echo("The source is deleted.", err=True)


def _path_of(dialect: str, id_: str) -> str:
    return f"{get_dialect(dialect).prefix}/webhooks-in/{id_}"


def _read_secret() -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt("Secret", hide_input=True, err=True)
        return asked.strip()
    return sys.stdin.read().strip()
