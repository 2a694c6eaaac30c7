"""Chooses the DB-API module for SQLite, and checks its version.

All code that opens a database file imports `sqlite3` from here. A process must not open a file through two
copies of the SQLite library, because each copy drops the locks of the other when it closes the file.

Versions before 3.51.3 have the WAL-reset bug: two processes that write and checkpoint one file at the same
time can corrupt it. So the newer of two modules is used: `pysqlite3`, a wheel with a fixed library, or
Python's `sqlite3`, which is linked to the system's library.
"""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from diglot.errors import Misconfigured

# The oldest version with the features that the statements use.
OLDEST: Final = (3, 37)
# The releases with the fix: the first on the main line, and the first on each maintained branch.
MENDED: Final = (3, 51, 3)
MENDED_BRANCHES: Final = ((3, 50, 7), (3, 44, 6))

if TYPE_CHECKING:
    import sqlite3
else:

    def _newer_module() -> ModuleType:
        import sqlite3  # noqa: PLC0415 - the choice is made here

        try:
            from pysqlite3 import dbapi2  # noqa: PLC0415 - not every platform has its wheel
        except ImportError:
            return sqlite3
        return max(dbapi2, sqlite3, key=lambda module: module.sqlite_version_info)

    sqlite3 = _newer_module()
    # The modules look for an adapter of each bound None and bytes. A search in vain costs `pysqlite3` 2 us,
    # ten times as much as the rest, and most columns of a contact are NULL. These adapters return the value.
    sqlite3.register_adapter(type(None), {}.get)
    sqlite3.register_adapter(bytes, bytes)

__all__ = ["OLDEST", "is_mended", "require_mended", "require_supported", "sqlite3", "warn_beside_others"]


def is_mended(version: tuple[int, ...]) -> bool:
    """Tell whether a version of SQLite has no WAL-reset bug, so that processes can share a file."""
    return version >= MENDED or any(
        version[:2] == branch[:2] and version >= branch for branch in MENDED_BRANCHES
    )


def require_supported() -> None:
    """Raise `Misconfigured` if SQLite is too old to execute the statements."""
    if sqlite3.sqlite_version_info < OLDEST:
        needed = ".".join(map(str, OLDEST))
        raise Misconfigured(f"SQLite {sqlite3.sqlite_version} is too old: {needed} is needed")


def require_mended(workers: int) -> None:
    """Raise `Misconfigured` if several workers would share a file and SQLite has the WAL-reset bug."""
    if workers > 1 and not is_mended(sqlite3.sqlite_version_info):
        raise Misconfigured(
            f"SQLite {sqlite3.sqlite_version} can corrupt a file that {workers} workers share: "
            "set --workers 1, or install the package pysqlite3 (3.51.3, 3.50.7 or 3.44.6 is needed)"
        )


def warn_beside_others(path: Path) -> str | None:
    """Return a warning if another process has a file open and SQLite has the WAL-reset bug.

    A WAL next to the file shows that it is in use, because the last process to close the file deletes the
    WAL.
    """
    if is_mended(sqlite3.sqlite_version_info) or not Path(f"{path}-wal").exists():
        return None
    return (
        f"another process seems to have {str(path)!r} open, and SQLite {sqlite3.sqlite_version} "
        "can corrupt a file that two processes write: stop the server first"
    )
