"""Backups of an embedded database: made while it is in use, and verified before they get their name."""

import os
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from diglot.errors import Misconfigured
from diglot.storage.sql.database import VerifiedFile
from diglot.storage.sql.sqlite_file import BUSY_SECONDS
from diglot.storage.sql.sqlite_module import sqlite3

# Called with the bytes written so far and the bytes of the database.
Progress = Callable[[int, int], None]
PROGRESS_SECONDS: Final = 0.5


def back_up(database: Path, target: Path, progress: Progress) -> VerifiedFile:
    """Copy a database in use into a new file; raise `Misconfigured` for an existing or unusable file.

    The copy is one snapshot. Other processes write meanwhile.
    """
    if target.exists():
        raise Misconfigured(f"{str(target)!r} exists already: name a new file")
    partial = Path(f"{target}.partial")
    try:
        # Nobody but the owner may read contacts. VACUUM INTO accepts an empty file.
        os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        try:
            _copy(database, partial, progress)
            sync(partial)
            verified = verify_file(partial)
            partial.rename(target)
            sync(target.absolute().parent)
        finally:
            partial.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(f"{str(database)!r} cannot be copied to {str(target)!r}: {error}") from error
    return verified


def _copy(database: Path, target: Path, progress: Progress) -> None:
    total = database.stat().st_size
    failures: list[Exception] = []
    copying = threading.Thread(target=_vacuum_into, args=(database, target, failures), daemon=True)
    copying.start()
    while copying.is_alive():
        copying.join(PROGRESS_SECONDS)
        progress(min(target.stat().st_size, total), total)
    if failures:
        raise failures[0]


def _vacuum_into(database: Path, target: Path, failures: list[Exception]) -> None:
    try:
        with closing(connect(database, "rw")) as connection:
            connection.execute("VACUUM INTO ?", (str(target),))
    except Exception as error:  # noqa: BLE001 - raised in the thread that waits
        failures.append(error)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open a file that exists, to read (`ro`) or to write (`rw`) it."""
    where = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(where, uri=True, isolation_level=None, timeout=BUSY_SECONDS)


def verify_file(path: Path) -> VerifiedFile:
    """Read a whole file and check its pages, indexes and keys; raise `Misconfigured` if it is damaged."""
    try:
        with closing(connect(path, "ro")) as connection:
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if verdict != "ok":
                raise Misconfigured(f"{str(path)!r} is damaged: {' '.join(str(verdict).split())}")
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise Misconfigured(f"{str(path)!r} is damaged: a row refers to a row that does not exist")
            (count,) = connection.execute("SELECT count(*) FROM contacts").fetchone()
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return VerifiedFile(path.stat().st_size, str(revision), int(count))
    except (OSError, sqlite3.Error, TypeError) as error:
        raise Misconfigured(f"{str(path)!r} is not a database of Diglot: {error}") from error


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
