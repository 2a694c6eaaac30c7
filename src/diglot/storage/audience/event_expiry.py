"""Deletes events past their retention, in the order in which they arrived.

No event is later than its arrival, so one that arrived before an instant happened before it. What happened
earlier but arrived later stays until its arrival is as old; nothing reads it meanwhile (see
`predicates/kept_events`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from sqlalchemy import bindparam, delete, select

from diglot.conditions.dates import DAY, SECOND
from diglot.storage.schema import events, workspaces
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

# The number of events that one transaction deletes at most.
MAX_ROWS: Final = 1_000
_HOUR: Final = 3_600 * SECOND
_e, _w = events.c, workspaces.c
_RETENTION = Statement(select(_w.event_days, _w.events_since).where(_w.workspace == bindparam("workspace")))
_OLDEST = Statement(
    select(_e.event, _e.created_at)
    .where(_e.workspace == bindparam("workspace"))
    .order_by(_e.event)
    .limit(bindparam("limit"))
)
_DELETE = Statement(
    delete(events).where(_e.workspace == bindparam("workspace"), _e.event <= bindparam("until"))
)


@dataclass(frozen=True, slots=True)
class EventRetention:
    """The days for which a workspace keeps events, 0 for ever, and the instant since which it does."""

    days: int
    since: int


async def load_retention(tenant: Tenant) -> EventRetention:
    """Return the retention of the events of a workspace."""
    row = await tenant.fetch_one(_RETENTION)
    assert row is not None
    return EventRetention(*row)


def compute_floor(days: int, now: int) -> int:
    """Return the instant since which events are to be kept; it rises by hours, so it is stored rarely."""
    return (now - days * DAY) // _HOUR * _HOUR


def raise_floor(unit: WriteUnit) -> None:
    """Stop counting the events before the floor, if the workspace keeps events for some days only.

    Memberships must be current. None changes, because no window is longer.
    """
    if unit.row.event_days:
        unit.row.events_since = max(unit.row.events_since, compute_floor(unit.row.event_days, unit.now))
        # No segment changes, but counts of rules that are not stored may.
        unit.renew_contacts_version()


async def find_expired(tenant: Tenant, before: int, limit: int = MAX_ROWS) -> Sequence[int]:
    """Return the numbers of the events that arrived before an instant, the oldest first."""
    rows = await tenant.fetch_all(_OLDEST, limit=limit)
    return [row[0] for row in takewhile(lambda row: row[1] < before, rows)]


async def delete_until(tenant: Tenant, number: int) -> None:
    """Delete the events that arrived until one, which is the last."""
    await tenant.execute(_DELETE, until=number)
