"""Counts of the membership log: how many contacts entered and left a segment in each quarter of an hour.

A row stands beside each log sum and counts the same entries, so that the size of a segment over a year is
read without its log. Boundaries of hours and days lie on quarters of an hour in every time zone. The body of
a row is a MessagePack array of numbers, three for each quarter: its number since 1970, who entered, who left.

Sums of earlier revisions have no counts; their entries are counted from the rows of the log.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
from sqlalchemy import bindparam, select

from diglot.storage import bulk
from diglot.storage.schema import membership_log_counts, membership_log_sums
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

QUARTER: Final = 900_000_000
# The number of a quarter of an hour, and how many contacts entered and left in it.
CountedQuarter = tuple[int, int, int]
_ROWS_PER_READ: Final = 1_000
_AFTER_ANY_ENTRY: Final = 2**62
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode
_c, _s = membership_log_counts.c, membership_log_sums.c
_INSERT = bulk.build_insert(membership_log_counts)
_BACKWARDS = Statement(
    select(_c.first_entry, _c.last_entry, _c.counts)
    .where(
        _c.workspace == bindparam("workspace"),
        _c.segment == bindparam("segment"),
        _c.last_entry > bindparam("after"),
        _c.last_entry < bindparam("before"),
    )
    .order_by(_c.last_entry.desc())
    .limit(bindparam("limit"))
)
_UNCOUNTED_SPANS = Statement(
    select(_s.first_entry, _s.last_entry)
    .where(
        _s.workspace == bindparam("workspace"),
        _s.segment == bindparam("segment"),
        _s.last_entry > bindparam("after"),
        _s.last_entry < bindparam("before"),
    )
    .order_by(_s.last_entry)
)


async def add(tenant: Tenant, last: int, counted: Sequence[tuple[int, int, list[CountedQuarter]]]) -> None:
    """Store the counts of segments that end with an entry, each with segment and first entry."""
    rows = [
        {
            "segment": segment,
            "last_entry": last,
            "first_entry": first,
            "counts": _encode([number for quarter in counts for number in quarter]),
        }
        for segment, first, counts in counted
    ]
    await _INSERT.execute(tenant, rows)


async def iterate_backwards(
    tenant: Tenant, segment: int, after: int
) -> AsyncIterator[tuple[int, list[CountedQuarter]]]:
    """Yield the stored counts that end after an entry, last first, each with its first entry."""
    before = _AFTER_ANY_ENTRY
    while True:
        rows = await tenant.fetch_all(
            _BACKWARDS, segment=segment, after=after, before=before, limit=_ROWS_PER_READ
        )
        for first, _, body in rows:
            numbers = iter(_decode(bytes(body)))
            yield first, list(zip(numbers, numbers, numbers, strict=True))
        if len(rows) < _ROWS_PER_READ:
            return
        before = rows[-1][1]


async def load_uncounted_spans(
    tenant: Tenant, segment: int, after: int, before: int
) -> list[tuple[int, int]]:
    """Return the spans of sums between two entries, first and last entry of each, in order."""
    rows = await tenant.fetch_all(_UNCOUNTED_SPANS, segment=segment, after=after, before=before)
    return [(row[0], row[1]) for row in rows]
