"""Sets for how long a workspace keeps events."""

from diglot.conditions.computed.needed_history import find_kept_fault, find_longest_need
from diglot.conditions.events.fields import EVENT_PREFIX
from diglot.errors import Conflict
from diglot.model.segments import SegmentType
from diglot.service.audience.rules.dependents import Dependent
from diglot.storage.audience import mentioning_segments
from diglot.storage.write_unit import WriteUnit


async def set_event_days(unit: WriteUnit, days: int) -> None:
    """Set for how many days a workspace keeps events, 0 for ever.

    Raise `Conflict` if a dynamic segment needs more; a static one is not evaluated again. What is deleted
    already does not come back.
    """
    needs = [
        (find_longest_need(segment.condition.tree), Dependent(segment, list_ref))
        for segment, list_ref in await mentioning_segments.load_mentioning_prefix(unit, EVENT_PREFIX)
        if segment.type is SegmentType.DYNAMIC
    ]
    needed, dependent = max(needs, key=lambda need: need[0], default=(0, None))
    if (fault := find_kept_fault(needed, days)) is not None:
        raise Conflict("workspace", f"{dependent}: {fault}")
    unit.row.event_days = days
