"""Backups of a database, and putting one in its place. A server's database has its own commands for that."""

from collections.abc import Callable
from pathlib import Path

from diglot.errors import Misconfigured
from diglot.storage.schema import revisions
from diglot.storage.sql.database import VerifiedFile
from diglot.storage.sql.databases import find_database


def back_up(url: str, target: Path, progress: Callable[[int, int], None]) -> VerifiedFile:
    """Copy a database into a new file, while servers use it, and verify the copy.

    `progress` gets the bytes written so far and the bytes of the database. Raise `Misconfigured` if the
    database cannot be copied, or if the file exists.
    """
    database = find_database(url)
    if database.embedded is None:
        raise Misconfigured(f"a server's database has its own command: {database.backup_command}")
    path = database.embedded.find_file(url)
    if not path.exists():
        raise Misconfigured(f"there is no database file {str(path)!r}: is --database right?")
    return database.embedded.back_up(path, target, progress)


def restore(url: str, backup: Path, kept_suffix: str) -> tuple[VerifiedFile, Path | None]:
    """Put a verified backup in place of a database that nobody has open.

    Return what the backup holds, and the name under which the old database is kept. Raise `Misconfigured` if
    the backup is damaged or of an unknown revision, or if another process uses the database.
    """
    database = find_database(url)
    if database.embedded is None:
        raise Misconfigured(f"a server's database has its own command: {database.restore_command}")
    verified = database.embedded.verify_file(backup)
    revisions.is_behind(verified.revision)
    path = database.embedded.find_file(url)
    if path.exists() and path.samefile(backup):
        raise Misconfigured(f"{str(backup)!r} is the database itself: name the backup")
    kept = Path(f"{path}{kept_suffix}")
    if kept.exists():
        raise Misconfigured(f"{str(kept)!r} exists already")
    return verified, kept if database.embedded.replace(path, backup, kept) else None
