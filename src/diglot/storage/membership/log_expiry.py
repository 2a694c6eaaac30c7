"""Deletes history past its retention: rows of the log, their sums and counts, ids that only they mention."""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import BigInteger, Integer, Table, bindparam, delete, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import (
    deleted_contacts,
    deleted_segments,
    membership_log,
    membership_log_counts,
    membership_log_sums,
    segments,
)
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

# The number of rows that one transaction deletes at most.
MAX_ROWS: Final = 1_000
_l, _d = membership_log.c, deleted_contacts.c
_s = deleted_segments.c
_OLDEST_ROWS = Statement(
    select(_l.last_entry, _l.happened_at)
    .where(_l.workspace == bindparam("workspace"))
    .order_by(_l.first_entry)
    .limit(bindparam("limit"))
)
_DELETE_LOG_ROWS = Statement(
    delete(membership_log).where(_l.workspace == bindparam("workspace"), _l.first_entry <= bindparam("until"))
)
_PURGE_DELETED_SEGMENTS = Statement(
    delete(deleted_segments).where(
        _s.workspace == bindparam("workspace"), _s.last_entry <= bindparam("until")
    )
)
_SEGMENT_NUMBERS = Statement(
    select(segments.c.segment)
    .where(segments.c.workspace == bindparam("workspace"))
    .order_by(segments.c.segment)
)
_OLD_DELETED_CONTACTS = Statement(
    select(_d.pk)
    .where(_d.workspace == bindparam("workspace"), _d.deleted_at < bindparam("before"))
    .order_by(_d.pk)
    .limit(bindparam("limit"))
)


def _delete_ended(table: Table) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        c = table.c
        # The key begins with the segment, so the rows of each are a span of it.
        among = backend.one_of(c.segment, [], Integer(), lambda _, kind: bindparam("segments", type_=kind))
        of_segments = c.workspace == bindparam("workspace"), among
        return delete(table).where(*of_segments, c.last_entry <= bindparam("until"))

    return BackendStatement(build)


def _delete_deleted_contacts(backend: Backend) -> ClauseElement:
    among = backend.one_of(_d.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
    return delete(deleted_contacts).where(_d.workspace == bindparam("workspace"), among)


_DELETE_SUMS = tuple(map(_delete_ended, (membership_log_sums, membership_log_counts)))
_PURGE_DELETED_CONTACTS = BackendStatement(_delete_deleted_contacts)


class LogPosition(msgspec.Struct, frozen=True):
    """The last entry number of a row of the log, and when the row was written."""

    last_entry: int
    happened_at: int


async def load_oldest_rows(tenant: Tenant, limit: int | None = None) -> list[LogPosition]:
    """Return the oldest rows of the log, in order: as many as one transaction deletes."""
    return [LogPosition(*row) for row in await tenant.fetch_all(_OLDEST_ROWS, limit=limit or MAX_ROWS)]


async def list_segment_numbers(tenant: Tenant) -> list[int]:
    """Return the numbers of all segments."""
    return [row[0] for row in await tenant.fetch_all(_SEGMENT_NUMBERS)]


async def expire_log(unit: WriteUnit, until: LogPosition) -> None:
    """Delete the rows up to a position, and the sums that end there or before.

    The history is complete after that position.
    """
    last = until.last_entry
    await unit.execute(_DELETE_LOG_ROWS, until=last)
    await unit.execute(_PURGE_DELETED_SEGMENTS, until=last)
    if numbers := await list_segment_numbers(unit):
        of_segments = unit.backend.encode_list(numbers)
        for statement in _DELETE_SUMS:
            await unit.execute(statement, segments=of_segments, until=last)
    unit.row.history_after_entry = until.last_entry
    unit.row.history_since = max(unit.row.history_since, until.happened_at)


async def load_deleted_contacts(tenant: Tenant, before: int) -> list[int]:
    """Return the keys of some contacts that were deleted before an instant."""
    rows = await tenant.fetch_all(_OLD_DELETED_CONTACTS, before=before, limit=MAX_ROWS)
    return [row[0] for row in rows]


async def purge_deleted_contacts(tenant: Tenant, pks: Iterable[int]) -> None:
    """Delete the stored ids of deleted contacts."""
    await tenant.execute(_PURGE_DELETED_CONTACTS, pks=tenant.backend.encode_list(list(pks)))
