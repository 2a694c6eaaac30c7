"""Asks the instant index about relative dates: which contacts cross them by time, and which are the next.

A minute of the clock concerns most relative dates of a workspace. Many are asked by one statement, because on
PostgreSQL the round trips of a thousand took three quarters of the time of a tick.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Final
from zoneinfo import ZoneInfo

from pyroaring import BitMap
from sqlalchemy import BigInteger, Column, Select, bindparam, select

from diglot.conditions.relative_dates import NEVER, RelativeDate, flip_at, next_midnight, windows_crossed
from diglot.storage.bulk import BulkRows, BulkSelect
from diglot.storage.contacts.history_index import key_of
from diglot.storage.schema import field_instants
from diglot.storage.tenant import Tenant

# How many windows are asked about by one statement, and the most rows of each. One that has more is asked
# about alone, so that no answer is large, however many contacts one instant has.
_SPANS_PER_READ: Final = 64
_FEW: Final = 500
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


async def find_crossing(  # noqa: PLR0913, PLR0917 - workspace, relative dates, and time span
    tenant: Tenant,
    relative_dates: Iterable[RelativeDate],
    since: int,
    until: int,
    zone: ZoneInfo,
    most: int,
) -> tuple[BitMap, Collection[RelativeDate]]:
    """Return whom relative dates may change for between two instants, and those that too many instants cross.

    The keys of contacts are those of the relative dates that at most `most` instants cross. Instants are
    counted, not contacts: if one contact fills the limit, other contacts are left out.
    """
    spans = [(one, span) for one in relative_dates for span in windows_crossed(one, since, until, zone)]
    crossing: defaultdict[RelativeDate, list[int]] = defaultdict(list)
    limit = min(_FEW, most + 1)
    for first in range(0, len(spans), _SPANS_PER_READ):
        some = spans[first : first + _SPANS_PER_READ]
        some = [(one, span) for one, span in some if len(crossing[one]) <= most]
        asked = [(key_of(one.field), *span) for one, span in some]
        found = await _IN_SPAN.fetch_each(tenant, asked, limit=limit)
        for (one, _), key, rows in zip(some, asked, found, strict=True):
            if len(rows) < limit:
                crossing[one] += (row[0] for row in rows)
            elif len(crossing[one]) <= most:
                [every] = await _IN_SPAN.fetch_each(tenant, [key], limit=most + 1)
                crossing[one] += (row[0] for row in every)
    crowded = {one for one, pks in crossing.items() if len(pks) > most}
    return BitMap(pk for one, pks in crossing.items() if one not in crowded for pk in pks), crowded


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
