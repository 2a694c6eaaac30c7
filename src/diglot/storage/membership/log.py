"""Rows of the membership log: which contacts entered and left which segments, in gapless sequence.

Each write that changes memberships appends one row, in its own transaction. The row takes one entry number
for each contact and segment, so the numbers within a workspace have no gaps and a feed can resume after any
of them. Its body is encoded by `changes`. The log serves the delta (what happened since the last compaction),
the compaction into chunks, the change feed and history (as of); it is kept for the configured retention.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import bindparam, func, insert, select

from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.storage.membership import changes
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.schema import membership_log
from diglot.storage.slices import compute_off_loop
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

# Distinguishes a row from another one with the same numbers: when it was written, and its body.
RowFingerprint = tuple[int, bytes]


class DeltaRow(msgspec.Struct, frozen=True):
    """A row of the log for a delta. If it rewrites a segment, the chunks already hold the result."""

    last_entry: int
    rewrites_segment: bool
    changes: Sequence[SegmentChange]
    fingerprint: RowFingerprint | None = None

    @property
    def happened_at(self) -> int:
        """When the row was written, 0 if it is not stored."""
        return 0 if self.fingerprint is None else self.fingerprint[0]


_l = membership_log.c
_IN_WORKSPACE = _l.workspace == bindparam("workspace")
_INSERT = Statement(insert(membership_log))
_ROW_ENDING_AT = Statement(
    select(_l.happened_at, _l.body)
    .where(_IN_WORKSPACE, _l.first_entry <= bindparam("entry"))
    .order_by(_l.first_entry.desc())
    .limit(1)
)
_ROWS_BETWEEN = Statement(
    select(_l.last_entry, _l.rewrites_segment, _l.happened_at, _l.body)
    .where(_IN_WORKSPACE, _l.first_entry > bindparam("after"), _l.first_entry <= bindparam("until"))
    .order_by(_l.first_entry)
)

# The number of rows in one read.
_ROWS_PER_READ: Final = 1_000
# Decoding so many bytes takes about 1 ms.
_BYTES_OF_A_STEP: Final = 32_768
_first_row = membership_log.alias("first").c
_ENTRY_OF_ROW_HOLDING = (
    select(func.coalesce(func.max(_first_row.first_entry), 0))
    .where(_first_row.workspace == bindparam("workspace"), _first_row.first_entry <= bindparam("number"))
    .scalar_subquery()
)
_ROWS_IN_SPAN = (
    select(_l.first_entry, _l.last_entry, _l.happened_at, _l.cause, _l.cause_segment, _l.body)
    .where(_IN_WORKSPACE, _l.first_entry >= _ENTRY_OF_ROW_HOLDING, _l.first_entry <= bindparam("until"))
    .limit(bindparam("limit"))
)
_ROWS_FORWARDS = Statement(_ROWS_IN_SPAN.order_by(_l.first_entry))
_ROWS_BACKWARDS = Statement(_ROWS_IN_SPAN.order_by(_l.first_entry.desc()))
_SELECT_HAPPENED_AT = Statement(
    select(_l.happened_at)
    .where(_IN_WORKSPACE, _l.first_entry <= bindparam("number"))
    .order_by(_l.first_entry.desc())
    .limit(1)
)


class LogRow(msgspec.Struct, frozen=True):
    """A row of the log with its entry numbers: the changes of one write, with time and cause."""

    first_entry: int
    last_entry: int
    origin: ChangeOrigin
    body: bytes

    def changes_between(self, after: int, until: int) -> Iterator[tuple[int, SegmentChange]]:
        """Yield the changes with entry numbers after `after` up to `until`, each with its first number."""
        first_entry = self.first_entry
        for change in changes.decode(self.body):
            begin, end = max(after + 1 - first_entry, 0), min(until + 1 - first_entry, change.entry_count)
            if begin < end:
                yield first_entry + begin, change.slice_entries(begin, end)
            first_entry += change.entry_count

    def changes_of(self, segment: int, after: int, until: int) -> list[SegmentChange]:
        """Return the changes of a segment with entry numbers after `after` up to `until`."""
        if after < self.first_entry and self.last_entry <= until:
            return changes.decode_segments(self.body, (segment,))
        return [change for _, change in self.changes_between(after, until) if change.segment == segment]


async def append(
    unit: WriteUnit, moved: Sequence[SegmentChange], origin: ChangeOrigin, *, rewrites_segment: bool = False
) -> int:
    """Append a row with the changes of change write; return its first entry number.

    If the row rewrites a segment, the caller has written the segment's chunks.
    """
    numbers = sum(change.entry_count for change in moved)
    first = unit.take_keys("entry", numbers)
    unit.row.uncompacted_changes += len(moved)
    row = {
        "first_entry": first,
        "last_entry": first + numbers - 1,
        "happened_at": origin.at,
        "cause": origin.cause.value,
        "cause_segment": origin.segment,
        "rewrites_segment": int(rewrites_segment),
        "body": changes.encode(moved),
    }
    await unit.execute(_INSERT, **row)
    return first


async def has_row(tenant: Tenant, entry: int, mark: RowFingerprint) -> bool:
    """Tell whether the row that ends with an entry has a fingerprint; if not, it was rolled back."""
    row = await tenant.fetch_one(_ROW_ENDING_AT, entry=entry)
    return row is not None and (row[0], bytes(row[1])) == mark


async def load_between(tenant: Tenant, after: int, until: int) -> list[DeltaRow]:
    """Return the rows after an entry up to another; both must be the last entry of a row."""
    if after >= until:
        return []
    rows = await tenant.fetch_all(_ROWS_BETWEEN, after=after, until=until)
    size = sum(len(row[3]) for row in rows) // _BYTES_OF_A_STEP
    return await compute_off_loop(tenant, size, partial(_decode_rows, rows))


def _decode_rows(rows: Sequence[Row]) -> list[DeltaRow]:
    return [
        DeltaRow(last, bool(whole), changes.decode(body := bytes(body_)), (at, body))
        for last, whole, at, body_ in rows
    ]


async def iterate_forwards(tenant: Tenant, after: int, until: int) -> AsyncIterator[LogRow]:
    """Yield the rows with entry numbers after `after` up to `until`, in order."""
    while after < until:
        rows = await tenant.fetch_all(_ROWS_FORWARDS, number=after + 1, until=until, limit=_ROWS_PER_READ)
        log_rows = [_row_of(row) for row in rows]
        for log_row in log_rows:
            yield log_row
        after = log_rows[-1].last_entry if len(log_rows) == _ROWS_PER_READ else until


async def iterate_backwards(tenant: Tenant, after: int, until: int) -> AsyncIterator[LogRow]:
    """Yield the rows with entry numbers after `after` up to `until`, last row first."""
    while after < until:
        rows = await tenant.fetch_all(_ROWS_BACKWARDS, number=after + 1, until=until, limit=_ROWS_PER_READ)
        log_rows = [_row_of(row) for row in rows]
        for log_row in log_rows:
            yield log_row
        until = log_rows[-1].first_entry - 1 if len(log_rows) == _ROWS_PER_READ else after


def _row_of(row: Sequence[Any]) -> LogRow:
    entry, last, at, cause, segment, body = row
    return LogRow(entry, last, ChangeOrigin(at, Cause(cause), segment), bytes(body))


async def find_last_entry_before(tenant: Tenant, after: int, until: int, at: int) -> int:
    """Return the last entry after `after` up to `until` that was written by an instant; else `after`."""
    entry = 0
    for bit in reversed(range(until.bit_length())):
        candidate = entry + (1 << bit)
        if candidate <= after or (candidate <= until and await load_happened_at(tenant, candidate) <= at):
            entry = candidate
    return max(entry, after)


async def load_happened_at(tenant: Tenant, number: int) -> int:
    """Return when the row that holds an entry of the history was written."""
    row = await tenant.fetch_one(_SELECT_HAPPENED_AT, number=number)
    assert row is not None
    return int(row[0])
