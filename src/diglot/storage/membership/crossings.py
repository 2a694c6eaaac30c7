"""Asks the instant index about relative dates: which contacts cross them by time, and which are the next.

A minute of the clock concerns most relative dates of a workspace. Many are asked by one statement, because on
PostgreSQL the round trips of a thousand took three quarters of the time of a tick.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Column, Select, bindparam, select

from diglot.conditions.relative_dates import NEVER, RelativeDate, flip_at, next_midnight, windows_crossed
from diglot.storage.bulk import BulkRows, BulkSelect
from diglot.storage.contacts.history_index import key_of
from diglot.storage.schema import field_instants
from diglot.storage.tenant import Tenant

# Each may be crossed by many contacts, whose keys are in memory at the same time.
_DATES_PER_READ: Final = 32
_m: Final = field_instants.c
_SINCE, _UNTIL = (Column(name, BigInteger) for name in ("since", "until"))


def _select_since(source: BulkRows, *columns: Column[Any]) -> Select[Any]:
    return select(*columns).where(
        _m.workspace == bindparam("workspace"),
        _m.field == source.values["field"],
        _m.instant >= source.values["since"],
    )


def _select_first(source: BulkRows) -> Select[Any]:
    return _select_since(source, _m.instant).order_by(_m.instant).limit(1)


def _select_span(source: BulkRows) -> Select[Any]:
    in_span = _select_since(source, _m.pk).where(_m.instant < source.values["until"])
    return in_span.limit(bindparam("limit"))


_FIRST_SINCE: Final = BulkSelect([_m.field, _SINCE], _select_first)
_IN_SPAN: Final = BulkSelect([_m.field, _SINCE, _UNTIL], _select_span)


async def iterate_crossing(  # noqa: PLR0913, PLR0917 - workspace, relative dates, and time span
    tenant: Tenant,
    relative_dates: Sequence[RelativeDate],
    since: int,
    until: int,
    zone: ZoneInfo,
    most: int,
) -> AsyncIterator[tuple[RelativeDate, set[int] | None]]:
    """Yield for each relative date the keys of contacts for which it may change between two instants.

    Yield None if its crossed windows hold more than `most` instants. They are counted, not the contacts,
    because one contact may have several in a window, and its rows would stand for those that were left out.
    """
    for first in range(0, len(relative_dates), _DATES_PER_READ):
        crossing: dict[RelativeDate, list[int]] = {
            one: [] for one in relative_dates[first : first + _DATES_PER_READ]
        }
        spans = [(one, span) for one in crossing for span in windows_crossed(one, since, until, zone)]
        asked = [(key_of(one.field), *span) for one, span in spans]
        found = await _IN_SPAN.fetch_each(tenant, asked, limit=most + 1)
        for (one, _), rows in zip(spans, found, strict=True):
            crossing[one] += (row[0] for row in rows)
        for one, pks in crossing.items():
            yield one, None if len(pks) > most else set(pks)


async def find_next_flips(
    tenant: Tenant, relative_dates: Collection[RelativeDate], at: int, zone: ZoneInfo
) -> dict[RelativeDate, int]:
    """Return for each relative date an instant after `at` before which no contact flips it, or NEVER."""
    flips = {one: next_midnight(at, zone) if one.offsets is None else NEVER for one in relative_dates}
    bounds = [(one, offset) for one in flips for offset in one.offsets or ()]
    asked = [(key_of(one.field), at + offset) for one, offset in bounds]
    for (one, offset), rows in zip(bounds, await _FIRST_SINCE.fetch_each(tenant, asked), strict=True):
        if rows:
            flips[one] = min(flips[one], flip_at(rows[0][0], offset))
    return flips
