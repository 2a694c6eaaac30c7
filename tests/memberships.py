"""Whether memberships are true: what is served of each segment, compared with a full evaluation.

The one place of the tests that knows how memberships are stored.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from random import Random

from diglot.conditions import tree
from diglot.model.pages import Window
from diglot.model.segments import Segment, SegmentType
from diglot.storage import lists, membership, membership_log, memberships, segments, workspaces
from diglot.storage.engine import Engine, Transaction
from diglot.storage.membership import Relation

EVERYBODY = Window(0, 1_000_000)
Members = Mapping[str, Sequence[str]]


async def compare(engine: Engine, workspace: int, now: int, rng: Random) -> Members:
    """Compare members, count and a random window of every segment with its condition, in one snapshot.

    Dynamic lists are among them. Return the ids of the members, newest first, by the segment's id.
    """

    async def work(transaction: Transaction) -> Members:
        found = [one async for one in _segments(transaction, workspace)]
        return {one.id: await _compare(transaction, workspace, one, now, rng) for one in found}

    return await engine.read(work)


async def _segments(transaction: Transaction, workspace: int) -> AsyncIterator[Segment]:
    for one in (await segments.page(transaction, workspace, EVERYBODY)).items:
        yield one
    dynamic = await lists.page(transaction, workspace, EVERYBODY, SegmentType.DYNAMIC, None)
    for behind in (one.segment for one, _ in dynamic.items):
        assert behind is not None
        yield behind


async def _compare(
    transaction: Transaction, workspace: int, one: Segment, now: int, rng: Random
) -> Sequence[str]:
    state = await workspaces.state(transaction, workspace)
    # A process may have been here since, and brought the clock on.
    now = max(now, state.evaluated_at)
    relation = Relation.of(workspace, one, now, state)
    found = await membership.ids(transaction, relation, EVERYBODY)
    condition = tree.encode(one.condition.tree)
    if one.type is SegmentType.DYNAMIC:
        live = Relation(workspace, one.condition.tree, now, state.zone)
        expected = await membership.ids(transaction, live, EVERYBODY)
        assert found == expected, condition
    assert await membership.count(transaction, relation) == len(found), condition
    window = Window(rng.randint(0, len(found) + 1), rng.randint(1, 7))
    page = [contact.id for contact in await membership.page(transaction, relation, window)]
    assert page == found[window.offset : window.offset + window.limit], condition
    return found


async def replayed(engine: Engine, workspace: int) -> None:
    """Compare what is stored of every segment with its log, played from the beginning."""

    async def work(transaction: Transaction) -> None:
        state = await workspaces.state(transaction, workspace)
        members: dict[int, set[int]] = {}
        for row in await membership_log.between(transaction, workspace, 0, state.logged):
            for change in row.changes:
                held = members.setdefault(change.segment, set())
                assert held.issuperset(change.left), row
                assert held.isdisjoint(change.entered), row
                held -= set(change.left)
                held |= set(change.entered)
        async for one in _segments(transaction, workspace):
            stored = await memberships.members(transaction, workspace, one.number, state)
            assert set(stored) == members.get(one.number, set()), tree.encode(one.condition.tree)

    await engine.read(work)
