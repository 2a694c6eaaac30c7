"""`diglot migrate`."""

import asyncio
from collections.abc import Sequence

import click

from diglot.cli.options import database_options, resolve_database, warn_of_risk


@click.command()
@click.option("--distribute", is_flag=True, help="Distribute the tables over the nodes of Citus, too.")
@database_options
def migrate(database: str | None, config: str | None, *, distribute: bool) -> None:
    """Migrate a database to the schema of this version.

    PostgreSQL needs this before the first start and after an update; run it once, with the servers stopped.
    If the tables are distributed, so are new ones. `diglot serve` migrates a SQLite file itself.
    """
    from diglot.storage.schema import migrate as schema  # noqa: PLC0415 - other commands do without alembic

    url = resolve_database(database, config)
    warn_of_risk(url)
    run = schema.distribute_schema if distribute else schema.migrate_schema
    before, after, tables = asyncio.run(run(url, _show_progress))
    _show_revision(before, after)
    if distribute or tables:
        click.echo(_describe_distributed(tables))


def _show_revision(before: str | None, after: str) -> None:
    if before == after:
        click.echo(f"The database is at revision {after} already.")
    else:
        click.echo(f"The database is at revision {after} now; it was {before or 'empty'}.")


def _describe_distributed(tables: Sequence[str]) -> str:
    if not tables:
        return "All tables are distributed already."
    those = "1 table is" if len(tables) == 1 else f"{len(tables)} tables are"
    return f"{those} distributed now: {', '.join(tables)}."


def _show_progress(revision: str) -> None:
    click.echo(f"Revision {revision} is applied.", err=True)
