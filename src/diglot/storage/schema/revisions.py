"""Checks the schema revision without alembic, because most starts find the latest one."""

from typing import Final

from diglot import __version__
from diglot.errors import Misconfigured
from diglot.storage.schema.distribution import list_placements
from diglot.storage.sql.databases import find_database

# Every revision of the schema in order, as in migrations/versions.
REVISIONS: Final = (
    *("r001", "r002", "r003", "r004", "r005", "r006", "r007", "r008", "r009"),
    *("r010", "r011", "r012"),
)
LATEST: Final = REVISIONS[-1]
# The revisions of development versions before the first release.
_UNRELEASED: Final = frozenset(f"{number:04}" for number in range(1, 9))


async def read_revision(url: str) -> str | None:
    """Return the revision of a database, or None if it has no tables; raise `Misconfigured`."""
    return await find_database(url).read_revision(url)


def is_behind(revision: str | None) -> bool:
    """Tell whether a revision needs an upgrade; raise `Misconfigured` if it cannot be upgraded."""
    if revision in _UNRELEASED:
        raise Misconfigured(
            f"the database is at revision {revision} of an unreleased Diglot, which no release can upgrade: "
            "start with a new database, and import the contacts into it"
        )
    if revision is not None and revision not in REVISIONS:
        raise Misconfigured(
            f"the database is at revision {revision}, which Diglot {__version__} does not know: a newer "
            "version made it, so run that version, or restore the backup from before the upgrade"
        )
    return revision != LATEST


async def require_latest(url: str) -> None:
    """Raise `Misconfigured` unless a database is at the revision of this version, on all its nodes."""
    revision = await read_revision(url)
    if is_behind(revision):
        state = "has no tables yet" if revision is None else f"is at revision {revision}, not {LATEST}"
        raise Misconfigured(f"the database {state}: run `diglot migrate` first")
    names = [placement.name for placement in list_placements()]
    if local := await find_database(url).find_local_tables(url, names):
        raise Misconfigured(
            f"these tables are not distributed, although others are: {', '.join(local)}: "
            "run `diglot migrate` with the URL of the coordinator of Citus first"
        )
