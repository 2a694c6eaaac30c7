"""Overlaps, sizes, snapshots and the segments of a contact as plain sets and loops compute them.

They are computed from member lists and from the feed, as a client would do it, and compared with the answers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from diglot.conditions import dates
from diglot.model.membership_changes import AsOf, AtEntry, AtInstant, MembershipChange
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.analysis.buckets import Interval
from diglot.service.audience.analysis.contact_segments import ContactSegments
from diglot.service.audience.analysis.overlaps import Overlaps
from diglot.service.audience.analysis.sizes import Period, SegmentSizes
from diglot.service.audience.analysis.snapshots import Snapshots
from diglot.service.audience.membership_history import MembershipHistory
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.contacts.contacts import Contacts
from diglot.storage.sql.engine import Engine
from support import canonical
from support.membership.history_checks import Historian, Snapshot
from support.membership.membership_checks import ALL_ROWS

DRAFT = Condition(canonical.read({"all": []}, "UTC"), OriginalText("canonical", "{}"))
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True)
class NaiveAnalysis:
    """Asks one process at the time `now`; `zone` is the time zone of the workspace."""

    engine: Engine
    caller: Caller
    now: int
    zone: str
    rng: Random

    def clock(self) -> int:
        return self.now

    async def members(self) -> dict[str, list[str]]:
        """Return the members of each segment, newest first, as they are listed."""
        segments = Segments(self.engine, self.clock)
        page = await segments.list_page(self.caller, ALL_ROWS)
        return {
            item.id: list((await segments.list_member_ids(self.caller, item.id, ALL_ROWS))[1].items)
            for item in page.items
        }

    async def compare_overlaps(self, members: Mapping[str, Sequence[str]]) -> int:
        """Compare the overlap of some segments; return the number of contacts that break the partition."""
        rng = self.rng
        page = await Contacts(self.engine, self.clock).list_page(self.caller, ALL_ROWS)
        order = [contact.id for contact in page.items]
        ids = rng.sample(sorted(members), rng.randint(2, min(20, len(members))))
        base = rng.choice(((), (rng.choice(sorted(members)),)))
        whole = set(members[base[0]]) if base else set(order)
        sets = [set(members[id_]) for id_ in ids]
        places = {one: [place for place, each in enumerate(sets) if one in each] for one in order}
        faults = [
            (one, of_one, one in whole)
            for one, of_one in places.items()
            if len(of_one) > 1 or (not of_one and one in whole) or (of_one and one not in whole)
        ]
        window = Window(rng.randint(0, len(faults) + 1), rng.randint(1, 7))
        found = await Overlaps(self.engine, self.clock).compare(self.caller, ids, base, window)
        assert [(one.contact_id, one.places, one.in_base) for one in found.faults] == faults[
            window.offset : window.offset + window.limit
        ]
        assert found.overlap.matrix == [[len(one & other) for other in sets] for one in sets]
        assert [one.count for one in found.segments] == [len(each) for each in sets]
        union = set[str]().union(*sets)
        overlap = found.overlap
        assert (overlap.base_count, overlap.union_count) == (len(whole), len(union))
        assert len(overlap.repeated) == sum(len(of_one) > 1 for of_one in places.values())
        assert (len(overlap.uncovered), len(overlap.outside)) == (len(whole - union), len(union - whole))
        assert found.fault_count == len(faults)
        return len(faults)

    async def compare_contacts(self, members: Mapping[str, Sequence[str]], after: int | None) -> None:
        """Compare the segments of some contacts, and since when they are in them, with lists and feed."""
        moves = await self._historian().feed(after)
        last = {(move.segment_id, move.contact_id): move for move in moves}
        ids = sorted({id_ for of_one in members.values() for id_ in of_one})
        for id_ in self.rng.sample(ids, min(len(ids), 5)):
            expected = [
                (segment, self._entry(last.get((segment, id_))))
                for segment, of_one in members.items()
                if id_ in of_one
            ]
            offset, limit = self.rng.randint(0, 2), self.rng.randint(1, 30)
            use_cases = ContactSegments(self.engine, self.clock)
            page = await use_cases.list_page(self.caller, id_, Window(offset, limit))
            shown = [(one.segment.id, one.entry_origin) for one in page.items]
            assert (page.total, shown) == (len(expected), expected[offset : offset + limit])

    @staticmethod
    def _entry(last: MembershipChange | None) -> Any:
        return last.origin if last is not None and last.entered else None

    def _historian(self) -> Historian:
        return Historian(self.engine, self.caller, self.now, self.rng)

    async def compare_sizes(
        self,
        segment: str,
        begin: int,
        after: int | None = None,
        intervals: Iterable[Interval] = Interval,
    ) -> int:
        """Compare the buckets of a segment from an instant on with its feed; return their number."""
        moves = await self._historian().feed(after, segment)
        history = MembershipHistory(self.engine, self.clock)
        page = (await history.list_member_ids(self.caller, segment, ALL_ROWS, AtEntry(await self._last())))[1]
        total = 0
        for interval in intervals:
            end = self.rng.choice((None, self.now + self.rng.randint(-2, 2) * dates.DAY))
            if end is not None and end <= begin:
                end = None
            period = Period(interval, begin, end)
            found = await SegmentSizes(self.engine, self.clock).list_sizes(self.caller, segment, period)
            expected = list(self._buckets(interval, begin, min(end or self.now + 1, self.now + 1)))
            shown = [(bucket.begin, bucket.end) for bucket in found.buckets]
            assert shown == [(first, min(last, self.now)) for first, last in expected]
            for (first, last), bucket in zip(expected, found.buckets, strict=True):
                inside = [move.entered for move in moves if first <= move.origin.at < last]
                later = [move.entered for move in moves if move.origin.at >= last]
                size = page.total - later.count(True) + later.count(False)
                counted = inside.count(True), inside.count(False)
                assert (bucket.size, bucket.entered, bucket.left) == (size, *counted)
            total += len(expected)
        return total

    async def _last(self) -> int:
        return (await self._historian().take_snapshot()).entry

    def _buckets(self, interval: Interval, begin: int, end: int) -> list[tuple[int, int]]:
        """Return hours and days by walking in steps of a quarter of an hour and looking at the wall clock."""
        step = 900 * dates.SECOND
        at = begin - begin % step
        while not self._begins(interval, at):
            at -= step
        beginnings = [at]
        while beginnings[-1] < end:
            at += step
            if self._begins(interval, at):
                beginnings.append(at)
        return list(pairwise(beginnings))

    def _begins(self, interval: Interval, at: int) -> bool:
        zone = ZoneInfo(self.zone)
        now, before = ((EPOCH + timedelta(microseconds=each)).astimezone(zone) for each in (at, at - 1))
        if interval is Interval.DAY:
            return now.date() > before.date()
        return (now.date(), now.hour, now.utcoffset()) != (before.date(), before.hour, before.utcoffset())

    async def compare_snapshots(
        self, members: Mapping[str, Sequence[str]], memories: Sequence[Snapshot] = ()
    ) -> None:
        """Compare snapshots of a segment, of now and of remembered states, with its members."""
        segments, snapshots = Segments(self.engine, self.clock), Snapshots(self.engine, self.clock)
        source = self.rng.choice(sorted(members))
        new = NewSegment("snapshot", DRAFT, type=SegmentType.STATIC)
        expected: dict[AsOf | None, list[str]] = {None: list(members[source])}
        there = await self._historian().contact_ids()
        for memory in memories:
            if source in memory.members:
                kept = [id_ for id_ in memory.members[source] if id_ in there]
                expected |= {AtEntry(memory.entry): kept, AtInstant(memory.at): kept}
        for as_of, ids in expected.items():
            made = await snapshots.create(self.caller, source, new, as_of)
            listed = (await segments.list_member_ids(self.caller, made.segment.id, ALL_ROWS))[1]
            assert (made.count, list(listed.items), made.segment.type) == (len(ids), ids, SegmentType.STATIC)
            counted = await segments.get_with_count(self.caller, made.segment.id)
            assert (counted.count, counted.segment) == (len(ids), made.segment)
            await segments.delete(self.caller, made.segment.id)
