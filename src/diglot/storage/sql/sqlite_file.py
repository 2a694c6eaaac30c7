"""The file of an embedded database: its name, its page size and journal mode, its schema revision."""

import os
import re
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from diglot.errors import Misconfigured
from diglot.storage.sql.sqlite_module import sqlite3

_SCHEME: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
# A misspelt URL, or the parameters of a connection.
_CREDENTIALS: Final = re.compile(r"//[^/]*:.*@|^\s|\bpassword\s*=", re.IGNORECASE)


def parse_sqlite_path(url: str) -> Path:
    """Return the path of an embedded database; raise `Misconfigured` for a URL that names no file."""
    path = url.removeprefix("sqlite:///") if url.startswith("sqlite:///") else url
    scheme = _SCHEME.match(path)
    if not path or path == ":memory:" or scheme or _CREDENTIALS.search(path):
        # The rest of a URL may be, or contain, a password.
        shown = f"database {scheme[0]}..." if scheme else "the database"
        raise Misconfigured(f"{shown} is neither a file, sqlite:///FILE nor postgresql://USER@HOST/NAME")
    return Path(path)


# How long a command or a start waits for another process.
BUSY_SECONDS: Final = 30
# The file of the ephemeral tables, next to the database.
EPHEMERAL_SUFFIX: Final = "-ephemeral"

# A page of 8 KiB holds a contact with its documents; it was the fastest of 4, 8 and 16 KiB.
PAGE_SIZE: Final = 8192


def create_private(path: Path) -> None:
    """Create a file that only this user can read, unless it exists; SQLite would use the umask.

    SQLite gives its -wal and -shm files the permissions of the database. Those of an existing file stay,
    because its owner may have opened it to a group on purpose.
    """
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def prepare_file(path: Path) -> None:
    """Set the page size and the journal mode, which the file keeps, before the first connection."""
    create_private(path)
    connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def read_revision(path: Path) -> str | None:
    """Return the schema revision of a file, or None if it has no tables; a missing file is not created."""
    # A read-write connection removes the WAL files next to the database when it closes.
    where = f"{path.absolute().as_uri()}?mode=rw"
    try:
        if not path.exists():
            return None
        with closing(sqlite3.connect(where, uri=True, timeout=BUSY_SECONDS)) as connection:
            table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")
            if table.fetchone() is None:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (OSError, sqlite3.Error) as error:
        raise Misconfigured(f"database {str(path)!r} cannot be opened: {error}") from error
    return None if row is None else str(row[0])


def measure_files(path: Path) -> dict[str, int]:
    """Return the bytes of a database, of its write-ahead log and of the file of its ephemeral tables."""
    files = {"database": "", "wal": "-wal", "ephemeral": EPHEMERAL_SUFFIX}
    return {name: _measure_file(Path(f"{path}{suffix}")) for name, suffix in files.items()}


def _measure_file(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
