"""The sweep: evaluates many segments in one pass over all contacts, in blocks.

Measured for 1,000 segments: 62 us for each contact, where compiled functions for one contact took 160 us. The
sweep proceeds chunk by chunk, so that only the members of one chunk and the moved keys are in memory. It
compacts the log first, because it compares with the chunks and rewrites them.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from pyroaring import BitMap

from diglot.conditions.bulk.blocks import MAX_CONTACTS, ContactBlock
from diglot.conditions.index.masks import select_items
from diglot.membership import compaction
from diglot.membership.active_segments import ActiveSegments
from diglot.membership.moves import load_surroundings
from diglot.model.contact_views import NO_SURROUNDINGS
from diglot.model.contacts import Contact
from diglot.model.membership_changes import ChangeOrigin
from diglot.storage.contacts import queries
from diglot.storage.membership import chunks, log, log_sums, segment_state
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.membership.chunks import CHUNK_BITS, chunk_of
from diglot.storage.membership.log_counts import QUARTER
from diglot.storage.membership.log_sums import NetChange
from diglot.storage.slices import compute_in_slices
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

_CONTACTS_PER_READ: Final = 1_000
_SEGMENTS_PER_WRITE: Final = 64


class _Sweep:
    """A sweep in progress: the members counted so far for each segment, and the keys that moved."""

    def __init__(self, tenant: Tenant, active_segments: ActiveSegments, numbers: frozenset[int]) -> None:
        self.tenant = tenant
        self.active_segments = active_segments
        self.numbers = numbers
        self.member_counts: dict[int, int] = dict.fromkeys(sorted(numbers), 0)
        self.entered: defaultdict[int, BitMap] = defaultdict(BitMap)
        self.left: defaultdict[int, BitMap] = defaultdict(BitMap)

    async def evaluate_chunk(self, chunk: int, at: int) -> None:
        """Evaluate all segments for the contacts of one chunk at an instant, and store the members."""
        matches: defaultdict[int, BitMap] = defaultdict(BitMap)
        after, end = (chunk << CHUNK_BITS) - 1, (chunk + 1) << CHUNK_BITS
        while part := await queries.load_key_range(self.tenant, after, end, _CONTACTS_PER_READ):
            await self._evaluate_contacts(part, at, matches)
            after = part[-1].pk
        ordered = list(self.member_counts)
        for first in range(0, len(ordered), _SEGMENTS_PER_WRITE):
            await self._store_chunk(chunk, ordered[first : first + _SEGMENTS_PER_WRITE], matches)

    async def _evaluate_contacts(
        self, part: Sequence[Contact], at: int, matches: defaultdict[int, BitMap]
    ) -> None:
        keys = [contact.pk for contact in part]
        around = await load_surroundings(self.tenant, self.active_segments, self.numbers, keys)
        bulk = await self.active_segments.bulk_evaluator(self.tenant.transaction)

        def match(contacts: Sequence[Contact]) -> None:
            pks = [contact.pk for contact in contacts]
            views = [
                self.active_segments.view_contact(contact, around.get(contact.pk, NO_SURROUNDINGS))
                for contact in contacts
            ]
            for number, mask in bulk.match(ContactBlock(views), at, self.numbers).items():
                matches[number].update(select_items(pks, mask))

        async for _ in compute_in_slices(self.tenant, part, match, MAX_CONTACTS):
            pass

    def changes(self) -> list[SegmentChange]:
        """Return the segments that contacts entered or left."""
        return [
            SegmentChange(number, self.entered[number], self.left[number])
            for number in self.member_counts
            if self.entered[number] or self.left[number]
        ]

    def net_changes(
        self, changes: Iterable[SegmentChange], first: int, at: int
    ) -> Iterator[tuple[int, NetChange]]:
        """Yield the net changes of segments, at an instant, since an entry of the log."""
        for change in changes:
            net = NetChange.starting_at(first)
            net.add(change, at // QUARTER)
            yield change.segment, net

    async def _store_chunk(
        self, chunk: int, numbers: Sequence[int], matches: defaultdict[int, BitMap]
    ) -> None:
        stored = await chunks.load_some(self.tenant, numbers, [chunk])
        written = []
        for number in numbers:
            old, new = stored.get((number, chunk), BitMap()), matches.get(number, BitMap())
            self.member_counts[number] += len(new)
            if old != new:
                self.entered[number] |= new - old
                self.left[number] |= old - new
                written.append((number, chunk, new))
        await chunks.write(self.tenant, written)


class SweepResult(msgspec.Struct, frozen=True):
    """The changes that a sweep found, and their first entry."""

    changes: Sequence[SegmentChange]
    first_entry: int


async def sweep_segments(
    unit: WriteUnit, active_segments: ActiveSegments, numbers: frozenset[int], origin: ChangeOrigin
) -> SweepResult:
    """Evaluate dynamic segments in full and store their members; return the changes."""
    await compaction.compact_log(unit, active_segments)
    first = unit.row.next_entry
    sweep = _Sweep(unit, active_segments, numbers)
    for chunk in range(chunk_of(unit.row.next_pk) + 1):
        await sweep.evaluate_chunk(chunk, origin.at)
    moved = sweep.changes()
    if moved:
        await log.append(unit, moved, origin, rewrites_segment=True)
        nets = list(sweep.net_changes(moved, first, origin.at))
        await log_sums.add(unit, unit.last_entry, nets)
    await segment_state.set_members(unit, sweep.member_counts)
    return SweepResult(moved, first)
