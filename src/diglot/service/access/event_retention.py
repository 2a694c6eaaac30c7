"""Sets for how long a workspace keeps events."""

from typing import Final

from diglot.conditions.computed.needed_history import find_kept_fault, find_longest_need
from diglot.conditions.events.fields import EVENT_PREFIX
from diglot.errors import Conflict
from diglot.membership.writer import open_writer
from diglot.model.segments import SegmentType
from diglot.service.audience.rules.dependents import Dependent
from diglot.storage.audience import event_expiry, mentioning_segments
from diglot.storage.write_unit import WriteUnit

# An error names so many segments that need events for longer.
_MOST_NAMED: Final = 20


async def set_event_days(unit: WriteUnit, days: int) -> None:
    """Set for how many days a workspace keeps events, 0 for ever; older events count no more at once.

    Raise `Conflict` if dynamic segments need more; a static one is not evaluated again. What is deleted
    already does not come back.
    """
    needs = [
        (Dependent(segment, list_ref), find_kept_fault(find_longest_need(segment.condition.tree), days))
        for segment, list_ref in await mentioning_segments.load_mentioning_prefix(unit, EVENT_PREFIX)
        if segment.type is SegmentType.DYNAMIC
    ]
    faults = [f"{dependent}: {fault}" for dependent, fault in needs if fault is not None]
    if faults:
        more = f"; and {len(faults) - _MOST_NAMED} more" if len(faults) > _MOST_NAMED else ""
        raise Conflict("workspace", "; ".join(faults[:_MOST_NAMED]) + more)
    # The clock first: what it has not evaluated yet are windows that begin earlier.
    await open_writer(unit)
    unit.row.event_days = days
    event_expiry.raise_floor(unit)
