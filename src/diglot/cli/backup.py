"""`diglot backup`."""

from pathlib import Path

import click

from diglot.cli.options import Progress, database_options, resolve_database
from diglot.plurals import count_of
from diglot.storage import backups


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@database_options
def backup(file: Path, database: str | None, config: str | None) -> None:
    """Copy a SQLite database into a file, while it is in use.

    FILE is new; it gets the state at one instant, and its name once it is verified. PostgreSQL has its own
    command: pg_dump.
    """
    url = resolve_database(database, config)
    with Progress("copied") as progress:
        verified = backups.back_up(url, file, progress.show)
    click.echo(
        f"{file} has {count_of(verified.contact_count, 'contact')} at revision {verified.revision} "
        f"({verified.size:,} bytes), and no damage."
    )
