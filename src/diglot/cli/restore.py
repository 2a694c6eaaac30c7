"""`diglot restore`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from diglot.cli.options import database_options, resolve_database
from diglot.plurals import count_of
from diglot.storage import backups


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@database_options
def restore(file: Path, database: str | None, config: str | None) -> None:
    """Put a backup in place of a SQLite database.

    The backup FILE is verified first, and no server may have the database open. The old database stays next
    to the new one, under another name. PostgreSQL has its own command: pg_restore.
    """
    url = resolve_database(database, config)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    verified, kept = backups.restore(url, file, f".before-restore-{stamp}")
    contacts = count_of(verified.contact_count, "contact")
    click.echo(f"The database has {contacts} at revision {verified.revision} now.")
    if kept is not None:
        click.echo(f"The old one is {kept}: delete it when you do not need it any more.", err=True)
