"""What an error of SQLite means for a request, and whether the file is still the one that was opened."""

import os
from pathlib import Path
from typing import Final

from diglot.errors import (
    DatabaseAway,
    DatabaseBusy,
    DatabaseDamaged,
    DatabaseReadOnly,
    DeadlineExceeded,
    StorageFull,
    Unavailable,
)
from diglot.storage.sql.sqlite_module import sqlite3

_KINDS: Final[dict[int, type[Unavailable]]] = {
    sqlite3.SQLITE_BUSY: DatabaseBusy,
    sqlite3.SQLITE_PROTOCOL: DatabaseBusy,
    sqlite3.SQLITE_FULL: StorageFull,
    sqlite3.SQLITE_READONLY: DatabaseReadOnly,
    sqlite3.SQLITE_IOERR: DatabaseAway,
    sqlite3.SQLITE_CANTOPEN: DatabaseAway,
    sqlite3.SQLITE_CORRUPT: DatabaseDamaged,
    sqlite3.SQLITE_NOTADB: DatabaseDamaged,
    sqlite3.SQLITE_INTERRUPT: DeadlineExceeded,
}
# The low byte of an extended error code is its kind.
_PRIMARY: Final = 0xFF


def explain_error(error: BaseException, path: Path) -> Unavailable | None:
    """Return what an error of the module means for a request; None if it is a bug."""
    # Some errors of the module, such as the use of a closed connection, have no error code.
    code = getattr(error, "sqlite_errorcode", None)
    kind = None if code is None else _KINDS.get(code & _PRIMARY)
    if kind is None:
        return None
    return kind(f"{str(path)!r}: {error}")


class OpenFile:
    """The file that was opened, to detect that its path names another file or none.

    SQLite goes on to write to a file that was deleted or replaced, and whatever it acknowledges is lost. A
    file must not be opened to look at it, because closing it would drop the locks of this process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._name = str(path)
        self._identity = self._read_identity()

    def check(self) -> None:
        """Raise `DatabaseDamaged` unless the path names the file that was opened."""
        try:
            identity = self._read_identity()
        except OSError as error:
            raise DatabaseDamaged(
                f"{str(self.path)!r} was deleted or moved while in use ({error.strerror}): writes "
                "are refused; stop the server and put the file back, or restore a backup"
            ) from None
        if identity != self._identity:
            raise DatabaseDamaged(
                f"{str(self.path)!r} was replaced by another file while in use: writes are refused; stop the "
                "server before you restore a backup, and start it again"
            )

    def _read_identity(self) -> tuple[int, int]:
        # Twice in each commit, so without the detour through `Path`.
        status = os.stat(self._name)  # noqa: PTH116
        return status.st_dev, status.st_ino
