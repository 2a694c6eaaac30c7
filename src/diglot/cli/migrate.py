"""`diglot migrate`."""

import asyncio

import click

from diglot.cli.options import database_options, resolve_database, warn_of_risk


@click.command()
@database_options
def migrate(database: str | None, config: str | None) -> None:
    """Migrate a database to the schema of this version.

    PostgreSQL needs this before the first start and after an update; run it once, with the servers stopped.
    `diglot serve` migrates a SQLite file itself.
    """
    from diglot.storage.schema.migrate import upgrade_schema  # noqa: PLC0415 - other commands do without alembic

    url = resolve_database(database, config)
    warn_of_risk(url)
    before, after = asyncio.run(upgrade_schema(url, _show_progress))
    if before == after:
        click.echo(f"The database is at revision {after} already.")
    else:
        click.echo(f"The database is at revision {after} now; it was {before or 'empty'}.")


def _show_progress(revision: str) -> None:
    click.echo(f"Revision {revision} is applied.", err=True)
