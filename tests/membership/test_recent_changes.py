"""The newest changes first are the feed in reverse, whatever filters them, and however they are paged."""

from collections.abc import Sequence
from random import Random

import pytest

from diglot.errors import NotFound
from diglot.membership.analysis import recent_changes
from diglot.model.membership_changes import MembershipChange
from diglot.service.audience.analysis.recent_changes import RecentChange, RecentChanges
from diglot.service.audience.membership_changes import MembershipChanges
from support.membership.random_world import World

STEPS = 120
UNKNOWN = "0195f3b2-7c1a-7d3e-8f4a-1b2c3d4e5f60"
# The number, the segment, the contact if it exists, and whether it entered.
_Move = tuple[int, str, str | None, bool]


async def read_feed(world: World) -> list[MembershipChange]:
    """Return the whole feed of a workspace, oldest first."""
    changes: list[MembershipChange] = []
    after: int | None = None
    while True:
        page = await MembershipChanges(world.engine).list_for_workspace(world.caller, after, 1_000)
        changes += page.changes
        if page.through == page.newest:
            return changes
        after = page.through


async def read_backwards(
    world: World, segment: str | None = None, contact: str | None = None
) -> list[RecentChange]:
    """Return all changes by pages of random sizes."""
    found: list[RecentChange] = []
    until: int | None = None
    while True:
        limit = world.rng.randint(1, 40)
        page = await RecentChanges(world.engine).list_page(world.caller, limit, segment, contact, until)
        assert len(page.changes) <= limit
        found += page.changes
        if page.older is None:
            return found
        assert until is None or page.older < until
        until = page.older


def moves_of(changes: Sequence[RecentChange]) -> list[_Move]:
    """Return what changes say."""
    return [
        (one.number, one.segment.id, None if one.contact is None else one.contact.id, one.entered)
        for one in changes
    ]


@pytest.mark.parametrize("rows", [3, recent_changes.MAX_ROWS])
async def test_they_are_the_feed_in_reverse(world: World, monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Of the workspace, of a segment, of a contact, and of both, also if few rows are read for a page."""
    monkeypatch.setattr(recent_changes, "MAX_ROWS", rows)
    for _ in range(STEPS):
        await world.step()
    # The feed also has the changes of segments that were deleted since, which pages leave out.
    existing, shown = set(world.ids), {*world.segments, *world.statics}
    feed = [one for one in reversed(await read_feed(world)) if one.segment_id in shown]
    segments = world.rng.sample(world.segments, min(2, len(world.segments)))
    contacts = world.rng.sample(world.ids, 2)
    for segment in (None, *segments):
        for contact in (None, *contacts):
            wanted = [
                (one.number, one.segment_id, one.contact_id, one.entered)
                for one in feed
                if segment in (None, one.segment_id) and contact in (None, one.contact_id)
            ]
            found = await read_backwards(world, segment, contact)
            assert [(*one[:2], one[3]) for one in moves_of(found)] == [(*one[:2], one[3]) for one in wanted]
            for move, one in zip(moves_of(found), wanted, strict=True):
                assert move[2] == one[2] or (move[2] is None and one[2] not in existing)
            assert [one.origin for one in found] == [
                one.origin
                for one in feed
                if segment in (None, one.segment_id) and contact in (None, one.contact_id)
            ]


async def test_many_contacts_move_in_one_write(world: World) -> None:
    """A write that moves as many as a bitmap holds is read one by one, from any entry."""
    world.rng = Random(1)
    for _ in range(3):
        await world._import()
    await world._segment()
    feed = list(reversed(await read_feed(world)))
    found = await read_backwards(world)
    assert [one.number for one in found] == [one.number for one in feed]
    for one in found:
        assert one.contact is not None
        of_it = await read_backwards(world, one.segment.id, one.contact.id)
        assert one.number in [other.number for other in of_it]


async def test_unknown_ones_are_not_found(world: World) -> None:
    """Neither a segment nor a contact."""
    with pytest.raises(NotFound):
        await RecentChanges(world.engine).list_page(world.caller, 1, UNKNOWN)
    with pytest.raises(NotFound):
        await RecentChanges(world.engine).list_page(world.caller, 1, None, UNKNOWN)
