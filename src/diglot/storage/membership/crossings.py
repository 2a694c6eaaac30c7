"""Asks the instant index about relative dates: which contacts cross them by time, and which are the next.

A minute of the clock concerns most relative dates of a workspace. Many are asked by one statement, because on
PostgreSQL the round trips of a thousand took three quarters of the time of a tick.
"""

from collections import Counter, defaultdict
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
_WINDOWS_PER_READ: Final = 64
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


def _select_window(source: BulkRows) -> Select[Any]:
    in_window = _select_since(source, _m.pk).where(_m.instant < source.values["until"])
    return in_window.limit(bindparam("limit"))


_FIRST_SINCE: Final = BulkSelect([_m.field, _SINCE], _select_first)
_IN_WINDOW: Final = BulkSelect([_m.field, _SINCE, _UNTIL], _select_window)


async def find_crossing(
    tenant: Tenant,
    relative_dates: Iterable[RelativeDate],
    span: tuple[int, int],
    zone: ZoneInfo,
    most: int,
) -> tuple[BitMap, Collection[RelativeDate]]:
    """Return whom relative dates may change for between two instants, and those that too many instants cross.

    The keys of contacts are those of the relative dates that at most `most` instants cross. Instants are
    counted, not contacts: if one contact fills the limit, other contacts are left out.
    """
    windows = [(one, window) for one in relative_dates for window in windows_crossed(one, *span, zone)]
    # The keys of all relative dates are in memory together, so they are bitmaps.
    crossing, counts = defaultdict[RelativeDate, BitMap](BitMap), Counter[RelativeDate]()
    for first in range(0, len(windows), _WINDOWS_PER_READ):
        part = windows[first : first + _WINDOWS_PER_READ]
        part = [(one, window) for one, window in part if counts[one] <= most]
        asked = [(key_of(one.field), *window) for one, window in part]
        found = await _IN_WINDOW.fetch_each(tenant, asked, limit=_FEW)
        for (one, _), key, few in zip(part, asked, found, strict=True):
            rows = few
            if len(few) == _FEW and counts[one] <= most:
                [rows] = await _IN_WINDOW.fetch_each(tenant, [key], limit=most + 1)
            counts[one] += len(rows)
            crossing[one].update([row[0] for row in rows])
    crowded = {one for one, count in counts.items() if count > most}
    return BitMap.union(BitMap(), *(pks for one, pks in crossing.items() if one not in crowded)), crowded


async def find_first_flip(
    tenant: Tenant, relative_dates: Collection[RelativeDate], at: int, zone: ZoneInfo
) -> int:
    """Return an instant after `at` before which no contact flips any of some relative dates, or NEVER."""
    return min((await find_next_flips(tenant, relative_dates, at, zone)).values(), default=NEVER)


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
