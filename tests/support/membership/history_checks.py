"""Compares the history with what a world recorded, and with the feed of changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from diglot.errors import InvalidInput
from diglot.model.membership_changes import AsOf, AtEntry, AtInstant, ChangeFeed, MembershipChange
from diglot.model.pages import Window
from diglot.model.workspaces import Caller
from diglot.service.audience.membership_changes import MembershipChanges
from diglot.service.audience.membership_history import MembershipHistory, find_entry_origin
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.audience.segments import Segments
from diglot.service.contacts.contacts import Contacts
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from support.membership.member_ids import collect_ids
from support.membership.membership_checks import ALL_ROWS, entries_after, stored_ids

BEGINNING = 0


@dataclass(frozen=True)
class Snapshot:
    """The state at an instant: the last entry of the log, and the members of each segment."""

    entry: int
    at: int
    members: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Historian:
    """Queries the history of a workspace in one process, at the time `now`."""

    engine: Engine
    caller: Caller
    now: int
    rng: Random

    async def take_snapshot(self) -> Snapshot:
        """Record the stored state."""
        entry, members = await stored_ids(self.engine, self.caller.workspace)
        return Snapshot(entry, self.now, members)

    async def contact_ids(self) -> frozenset[str]:
        """Return the ids of all existing contacts."""
        page = await Contacts(self.engine).list_page(self.caller, ALL_ROWS)
        return frozenset(item.id for item in page.items)

    async def compare(self, memory: Snapshot, begins: int = BEGINNING) -> None:
        """Compare every existing segment with the recorded state, by entry and by instant."""
        there = await self.contact_ids()
        page = await Segments(self.engine).list_page(self.caller, ALL_ROWS)
        for item in page.items:
            for as_of in (AtEntry(memory.entry), AtInstant(memory.at)):
                known = item.since_entry is not None and memory.entry >= max(begins, item.since_entry)
                created = item.id in memory.members
                if known and created:
                    await self._compare_one(item.id, as_of, memory, there)
                elif not known or isinstance(as_of, AtInstant):
                    with pytest.raises(InvalidInput):
                        await self._ids(item.id, as_of)

    async def _compare_one(self, id_: str, as_of: AsOf, memory: Snapshot, there: frozenset[str]) -> None:
        members = memory.members[id_]
        assert await self._ids(id_, as_of) == [member for member in members if member in there]
        rng = self.rng
        window = Window(rng.randint(0, len(members) + 1), rng.randint(1, 7))
        page = await MembershipHistory(self.engine, lambda: self.now).list_members(
            self.caller, id_, window, as_of
        )
        shown = members[window.offset : window.offset + window.limit]
        assert [item.id for item in page.items] == [entry for entry in shown if entry in there]
        gone = sum(member not in there for member in members)
        assert (page.total, page.entry, page.deleted_count) == (len(members), memory.entry, gone)

    async def _ids(self, id_: str, as_of: AsOf) -> Sequence[str]:
        past = MembershipHistory(self.engine, lambda: self.now)
        return await collect_ids(await past.list_all_member_ids(self.caller, id_, as_of))

    async def feed(self, after: int | None, segment: str | None = None) -> list[MembershipChange]:
        """Return all changes after an entry, in pages of random sizes without gaps."""
        results: list[MembershipChange] = []
        while True:
            limit = self.rng.choice((self.rng.randint(1, 40), 500))
            page = await self._page(segment, after, limit)
            assert after is None or page.after == after
            assert page.after <= page.through <= page.newest
            assert page.through > page.after or page.through == page.newest
            assert len(page.changes) <= limit
            assert all(page.after < change.number <= page.through for change in page.changes)
            results += page.changes
            after = page.through
            if after == page.newest:
                return results

    async def _page(self, segment: str | None, after: int | None, limit: int) -> ChangeFeed:
        changes = MembershipChanges(self.engine)
        if segment is None:
            return await changes.list_for_workspace(self.caller, after, limit)
        return await changes.list_for_segment(self.caller, segment, after, limit)

    async def replay(self, memory: Snapshot) -> None:
        """Replay the feed from a recorded state: it has no gaps and ends with the stored state."""
        members = {id_: set(ids) for id_, ids in memory.members.items()}
        moves = await self.feed(memory.entry)
        _, now = await stored_ids(self.engine, self.caller.workspace)
        expected = await entries_after(self.engine, self.caller.workspace, memory.entry)
        assert [move.number for move in moves] == expected
        for move in moves:
            held = members.setdefault(move.segment_id, set())
            assert move.contact_id is not None
            assert move.entered != (move.contact_id in held)
            (held.add if move.entered else held.remove)(move.contact_id)
        assert {id_: members.get(id_, set()) for id_ in now} == {id_: set(ids) for id_, ids in now.items()}

    async def follow(self, after: int = BEGINNING) -> None:
        """Compare the feed of each segment, and the times at which members entered, with the feed of all."""
        moves, there = await self.feed(after), await self.contact_ids()
        _, now = await stored_ids(self.engine, self.caller.workspace)
        for id_, members in now.items():
            own = [move for move in moves if move.segment_id == id_]
            begin = self.rng.choice([after, *(item.number for item in own)])
            assert await self.feed(begin, id_) == [item for item in own if item.number > begin]
            last: dict[Any, MembershipChange] = {item.contact_id: item for item in own}
            for contact in there.intersection(members):
                await self._compare_entered(id_, contact, last.get(contact))

    async def _compare_entered(self, segment: str, contact: str, last: MembershipChange | None) -> None:
        async def work(tenant: Tenant) -> object:
            found, state = await require_segment_with_state(tenant, segment)
            person = await queries.find_contact_by_id(tenant, contact)
            assert person is not None
            return await find_entry_origin(tenant, found, person.pk, state)

        assert last is None or last.entered
        assert await self.engine.read(bind_workspace(self.caller.workspace, work)) == (
            None if last is None else last.origin
        )
