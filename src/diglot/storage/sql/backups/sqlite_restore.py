"""Puts a backup in place of an embedded database that nobody else has open.

Every connection to a file in WAL mode holds a shared lock on it for as long as it is open. So whoever gets
the exclusive lock is alone, and stays alone for as long as the lock is held: a server that starts meanwhile
waits for it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from diglot.errors import Misconfigured
from diglot.storage.sql.backups.sqlite_backup import connect, sync
from diglot.storage.sql.sqlite_file import EPHEMERAL_SUFFIX
from diglot.storage.sql.sqlite_module import sqlite3

# The bytes of a file that SQLite locks for reading (os.h in SQLite's source; the lock-byte page of the file
# format). No content is stored there.
_SHARED_FIRST: Final = 0x40000002
_SHARED_SIZE: Final = 510
_WAL: Final = "-wal"
_SHARED_MEMORY: Final = "-shm"


def replace_database(database: Path, backup: Path, kept: Path) -> bool:
    """Put a copy of a verified backup in place of a database, which is kept under another name.

    Return whether there was a database to keep. Raise `Misconfigured` if another process has it open.
    """
    new = Path(f"{database}.restoring")
    try:
        _copy_file(backup, new)
        try:
            if not database.exists():
                _delete_side_files(database)
                new.rename(database)
                sync(database.absolute().parent)
                return False
            _empty_wal(database)
            with _alone(database):
                _put_in_place(database, new, kept)
        finally:
            new.unlink(missing_ok=True)
    except OSError as error:
        raise Misconfigured(f"{str(backup)!r} cannot be restored: {error}") from error
    return True


def _copy_file(backup: Path, new: Path) -> None:
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with backup.open("rb") as source, os.fdopen(descriptor, "wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())


def _empty_wal(database: Path) -> None:
    """Move what the WAL holds into the database, so that the kept file is complete without it."""
    # A damaged database cannot do that; its WAL is kept beside it.
    with suppress(sqlite3.Error), closing(connect(database, "rw")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _alone(database: Path) -> Iterator[None]:
    """Hold the exclusive lock of a file; SQLite must not open it meanwhile, because closing it unlocks it."""
    with database.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_SIZE, _SHARED_FIRST)
        except OSError as error:
            raise Misconfigured(
                f"another process has {str(database)!r} open: stop the server before you restore"
            ) from error
        yield


def _put_in_place(database: Path, new: Path, kept: Path) -> None:
    os.link(database, kept)
    # The WAL goes before the database: SQLite would read an old WAL into a new database.
    if (wal := Path(f"{database}{_WAL}")).exists():
        wal.rename(f"{kept}{_WAL}")
    _delete_side_files(database)
    new.rename(database)
    sync(database.absolute().parent)


def _delete_side_files(database: Path) -> None:
    for side in (_WAL, _SHARED_MEMORY):
        Path(f"{database}{side}").unlink(missing_ok=True)
    for path in database.absolute().parent.iterdir():
        if path.name.startswith(f"{database.name}{EPHEMERAL_SUFFIX}"):
            path.unlink(missing_ok=True)
