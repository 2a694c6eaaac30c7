"""Fills the instant index of fields of single events in parts, each in a transaction of its own.

A segment is pending until its fields are filled. Writes follow its fields from the transaction of its
creation on, so what the index has of a contact is right from the moment when its part is filled. A field that
no segment uses any more is dropped, also while it is filled. The next part is noted in the database, so that
several processes fill one index together, and none begins again after a crash.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.events.fields import is_event_field, is_history_field, parse_event_field
from diglot.conditions.relative_dates import relative_dates_of
from diglot.membership.active_segments import get_active_segments
from diglot.storage.contacts import history_index
from diglot.storage.membership import instant_index
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit, lock_workspace

T = TypeVar("T")
# In a workspace that has had more events, what needs single events is evaluated in the background.
MAX_EVENTS_INLINE: Final = 20_000
# A part of so many events holds the lock for some 20 ms.
EVENTS_PER_PART: Final = 1_500


def has_many_events(unit: WriteUnit) -> bool:
    """Tell whether a workspace has so many events that none are read while it waits."""
    return unit.row.next_event > MAX_EVENTS_INLINE


def is_of_events(field: str) -> bool:
    """Tell whether the value of a field follows from the single events of a contact."""
    if is_history_field(field):
        return True
    return is_event_field(field) and parse_event_field(field).part == "newest"


def reads_events(node: tree.Node) -> bool:
    """Tell whether a full evaluation of a condition reads single events."""
    return any(map(is_of_events, tree.fields_of(lower_condition(node))))


async def find_unfilled(tenant: Tenant, node: tree.Node) -> list[str]:
    """Return the fields of events that a condition compares with now and that are not indexed."""
    fields = {relative_date.field for relative_date in relative_dates_of(node)}
    if not (of_events := sorted(filter(is_of_events, fields))):
        return []
    indexed = await history_index.load_indexed_fields(tenant)
    return [field for field in of_events if history_index.key_of(field) not in indexed]


@dataclass(frozen=True, slots=True)
class IndexFilling:
    """Fills the index of one field of a workspace."""

    engine: Engine
    workspace: int
    field: str
    clock: Clock = system_clock

    async def run(self) -> bool:
        """Fill the index; return False if it was dropped meanwhile."""
        await self._write(self._begin)
        while await self._write(self._take_step):
            pass
        return await self._write(self._is_indexed)

    async def _write(self, step: Callable[[WriteUnit], Awaitable[T]]) -> T:
        return await self.engine.write(lock_workspace(self.workspace, self.clock, step))

    async def _begin(self, unit: WriteUnit) -> None:
        """Begin, or go on, unless the segment is gone: writes would not follow the field."""
        active = await get_active_segments(unit, unit.row.segments_version, unit.zone)
        if self.field in active.dates_of_field:
            await instant_index.begin_filling(unit, self.field)

    async def _take_step(self, unit: WriteUnit) -> bool:
        """Take the next step, whichever process took the one before; return whether there may be more."""
        if await self._is_indexed(unit):
            # A change of the time zone fills all at once.
            await instant_index.drop_filling(unit, self.field)
            return False
        first = await instant_index.find_next_part(unit, self.field)
        if first is None:
            return False
        if first > 0:
            return await self._fill_part(unit, first)
        if not await instant_index.clear_part(unit, self.field):
            await instant_index.set_next_part(unit, self.field, 1)
        return True

    async def _fill_part(self, unit: WriteUnit, first: int) -> bool:
        """Fill the part that begins with a contact; return whether there may be more."""
        last = unit.row.next_pk - 1
        if first > last:
            await instant_index.end_filling(unit, self.field)
            return False
        after = await instant_index.fill_part(unit, self.field, unit.zone, first, last, EVENTS_PER_PART)
        await instant_index.set_next_part(unit, self.field, after)
        return True

    async def _is_indexed(self, unit: WriteUnit) -> bool:
        return history_index.key_of(self.field) in await history_index.load_indexed_fields(unit)
