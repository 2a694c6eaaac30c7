"""Snapshots: a new static segment with the members that another segment has, or had."""

from dataclasses import dataclass

from diglot.clock import Clock, system_clock
from diglot.membership import evaluate, read
from diglot.membership.read import MembershipQuery
from diglot.membership.writer import open_writer
from diglot.model.membership_changes import AsOf
from diglot.model.segments import CountedSegment
from diglot.model.workspaces import DEFAULT_LIMITS, WorkspaceLimits
from diglot.service.audience.membership_history import load_past
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.audience.segment_writes import NewSegment, insert_segment
from diglot.service.unit_of_work import writes
from diglot.storage.sql.engine import Engine
from diglot.storage.write_unit import WriteUnit


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The use case of snapshots; it is one transaction, and the members are copied as bitmaps."""

    engine: Engine
    clock: Clock = system_clock
    limits: WorkspaceLimits = DEFAULT_LIMITS

    @writes
    async def create(
        self, unit: WriteUnit, id_: str | None, new: NewSegment, as_of: AsOf | None
    ) -> CountedSegment:
        """Create a static segment with the members of another one, now or at a point in its history.

        Contacts that were deleted since that point are left out. Raise `NotFound`, `LimitReached`, or
        `InvalidInput` for a point outside of the history.
        """
        # What time has changed until now is stored before the members are read.
        await open_writer(unit)
        with_state = segment, state = await require_segment_with_state(unit, id_)
        if as_of is None:
            members = await read.load_members(unit, MembershipQuery.for_segment(segment, unit.now, state))
        else:
            past = await load_past(unit, with_state, as_of, unit.clock())
            members = past.members - past.deleted
        writer, created = await insert_segment(unit, new, self.limits)
        filled = await evaluate.fill_new_segment(writer, created, members)
        return CountedSegment(filled.segment, len(members), read.effective_now(unit.state, unit.clock()))
