"""The overlap of segments: what they share, and whether they divide all contacts or a base segment."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from diglot.clock import Clock, system_clock
from diglot.errors import NotFound
from diglot.membership.analysis import overlaps
from diglot.membership.analysis.overlaps import Overlap
from diglot.membership.read import MembershipQuery, effective_now
from diglot.model.pages import Window
from diglot.model.segments import CountedSegment, Segment
from diglot.service.unit_of_work import reads
from diglot.storage import workspaces
from diglot.storage.audience import named_segments
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant


class PartitionFault(msgspec.Struct, frozen=True):
    """A contact that breaks a partition: the places of its segments, and whether the base has it."""

    contact_id: str
    places: Sequence[int]
    in_base: bool


class SegmentOverlap(msgspec.Struct, frozen=True):
    """Segments compared at an instant (microseconds), after the change `entry`; see `Overlap`.

    `faults` is a window of the contacts that break the partition, newest first, and `fault_count` is the
    number of them all.
    """

    segments: Sequence[CountedSegment]
    base: CountedSegment | None
    overlap: Overlap
    faults: Sequence[PartitionFault]
    fault_count: int
    as_of: int
    entry: int


@dataclass(frozen=True, slots=True)
class Overlaps:
    """The use case of overlaps; it reads one snapshot."""

    engine: Engine
    clock: Clock = system_clock

    @reads
    async def compare(
        self, tenant: Tenant, ids: Sequence[str | None], base: Sequence[str | None], window: Window
    ) -> SegmentOverlap:
        """Compare segments with each other and a base; no base stands for all contacts. Raise `NotFound`."""
        every = await _require_each(tenant, [*ids, *base])
        state = await workspaces.load_state(tenant)
        now = self.clock()
        queries_ = [MembershipQuery.for_segment(segment, now, state) for segment in every]
        of_base = queries_.pop() if base else None
        overlap = await overlaps.compare(tenant, queries_, of_base, state)
        keys, fault_count = overlap.newest_faults(window.offset, window.limit)
        at = effective_now(state, now)
        counts = [overlap.matrix[place][place] for place in range(len(ids))]
        counted = [CountedSegment(*pair, at) for pair in zip(every, counts, strict=False)]
        whole = CountedSegment(every[-1], overlap.base_count, at) if base else None
        faults = await _load_faults(tenant, overlap, keys)
        return SegmentOverlap(counted, whole, overlap, faults, fault_count, at, state.last_entry)


async def _require_each(tenant: Tenant, ids: Sequence[str | None]) -> list[Segment]:
    known = [id_ for id_ in ids if id_ is not None]
    found = await named_segments.find_each(tenant, set(known))
    if len(known) < len(ids) or not found.keys() >= set(known):
        raise NotFound("segment")
    return [found[id_] for id_ in known]


async def _load_faults(tenant: Tenant, overlap: Overlap, keys: Sequence[int]) -> list[PartitionFault]:
    ids = await queries.load_ids_by_key(tenant, keys)
    return [
        PartitionFault(ids[key], overlap.places_of(key), in_base=key not in overlap.outside) for key in keys
    ]
