"""Whether memberships are true: what is served of each segment, compared with a full evaluation.

The one place of the tests that knows how memberships are stored.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from random import Random

from diglot.conditions import tree
from diglot.model.pages import Window
from diglot.model.segments import Segment, SegmentType
from diglot.service.memberships import is_kept
from diglot.storage import lists, membership, segments, workspaces
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
    relation = Relation.of(workspace, one, now, state)
    found = await membership.ids(transaction, relation, EVERYBODY)
    condition = tree.encode(one.condition.tree)
    if one.type is SegmentType.DYNAMIC:
        assert (one.members is not None) == is_kept(one), condition
        live = Relation(workspace, one.condition.tree, None, now, state.zone)
        expected = await membership.ids(transaction, live, EVERYBODY)
        assert found == expected, condition
    assert await membership.count(transaction, relation) == len(found), condition
    window = Window(rng.randint(0, len(found) + 1), rng.randint(1, 7))
    page = [contact.id for contact in await membership.page(transaction, relation, window)]
    assert page == found[window.offset : window.offset + window.limit], condition
    return found
