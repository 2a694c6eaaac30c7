"""Looks at a database before its contents are compared: its revision, its pages, the space on its disk."""

from dataclasses import dataclass

from diglot.errors import Misconfigured
from diglot.storage.connect import find_file, measure_free_bytes
from diglot.storage.schema import revisions
from diglot.storage.sql.database import FileState
from diglot.storage.sql.databases import find_database


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The revision of a database; of an embedded one also its library, its file and its disk's free bytes."""

    revision: str
    is_behind: bool
    library: str | None = None
    file: FileState | None = None
    disk_free: int | None = None


async def inspect_database(url: str) -> DatabaseState:
    """Look at a database and change nothing; raise `Misconfigured` if it cannot be opened.

    A server's database is only asked for its revision, because the server checks its own pages.
    """
    database = find_database(url)
    if database.embedded is not None and not (path := find_file(url)).exists():
        raise Misconfigured(f"there is no database file {str(path)!r}: is --database right?")
    revision = await revisions.read_revision(url)
    if revision is None:
        raise Misconfigured("the database has no tables yet")
    behind = revisions.is_behind(revision)
    if database.embedded is None:
        return DatabaseState(revision, behind)
    file = database.embedded.inspect_file(path)
    return DatabaseState(revision, behind, database.embedded.library(), file, measure_free_bytes(url))


def vacuum(url: str) -> None:
    """Rewrite an embedded database, so that nothing is left of deleted rows; a server does that itself."""
    if (embedded := find_database(url).embedded) is not None:
        embedded.vacuum(find_file(url))
