"""Looks for damage in an embedded database, or rewrites it, while other processes use it."""

from contextlib import closing
from pathlib import Path
from typing import Final

from diglot.errors import Misconfigured
from diglot.storage.sql.backups.sqlite_backup import connect
from diglot.storage.sql.database import FileState
from diglot.storage.sql.sqlite_module import sqlite3

_MAX_FINDINGS: Final = 20


def inspect_file(path: Path) -> FileState:
    """Check all pages, indexes and keys of a file; raise `Misconfigured` if it cannot be opened."""
    try:
        with closing(connect(path, "rw")) as connection:
            page_size, pages, free_pages = (
                connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("page_size", "page_count", "freelist_count")
            )
            damage = _find_damage(connection)
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(f"database {str(path)!r} cannot be opened: {error}") from error
    return FileState(page_size * pages, page_size * free_pages, tuple(damage))


def vacuum(path: Path) -> None:
    """Rewrite a file in use, and empty its WAL, so that no page has content of deleted rows."""
    try:
        with closing(connect(path, "rw")) as connection:
            connection.execute("VACUUM")
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        raise Misconfigured(f"database {str(path)!r} cannot be rewritten: {error}") from error
    if busy:
        raise Misconfigured(f"database {str(path)!r} is rewritten, but its -wal file is in use: run it again")


def _find_damage(connection: sqlite3.Connection) -> list[str]:
    try:
        rows = connection.execute(f"PRAGMA integrity_check({_MAX_FINDINGS})").fetchall()
        damage = [" ".join(str(row[0]).split()) for row in rows if row[0] != "ok"]
        orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(_MAX_FINDINGS)
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return damage + [
        f"a row of {table} refers to a row of {parent} that is gone" for table, _, parent, _ in orphans
    ]
