"""An explanation of a contact agrees with its membership, on every database."""

from collections.abc import Mapping, Sequence
from itertools import islice
from random import Random

import pytest

from diglot.conditions import tree
from diglot.errors import NotFound
from diglot.model.segments import Segment, SegmentType
from diglot.service.audience.explain import Explanations
from diglot.service.audience.segments import Segments
from support import canonical, oracle, random_conditions, spec_data
from support.populations import Crowd, micros
from support.reporting import SEED

# In the order of their time, because after a clock is set back slightly, memberships stay at the later
# instant.
ROWS = sorted(spec_data.rows(), key=lambda row: row.now)
PEOPLE = spec_data.population()
TREES = 40
# One loop for all rows, because the connections of an engine belong to the loop that opened them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


async def explain(
    crowd: Crowd, segment: Segment, now: int, names: Sequence[str]
) -> dict[str, tuple[bool, bool]]:
    """Return whether some contacts are members, and the verdicts at the roots of their explanations."""
    explanations = Explanations(crowd.engine, lambda: now)
    results = {}
    for number, name in enumerate(names):
        contact = crowd.contacts[name]
        named = contact.email if number % 2 else contact.id
        explanation = await explanations.explain(crowd.caller, segment.id, named)
        assert (explanation.contact, explanation.segment.id, explanation.as_of) == (contact, segment.id, now)
        assert explanation.verdict is not None
        results[name] = (explanation.is_member, explanation.verdict.matches)
    return results


def choose_two(names: frozenset[str], turn: int) -> list[str]:
    """Return two contacts of a set, different ones in every turn."""
    ordered = sorted(names)
    return [ordered[(turn + step) % len(ordered)] for step in (0, 7)] if ordered else []


async def test_the_explanation_of_a_row(crowds: Mapping[str, Crowd], sampled_row: spec_data.Row) -> None:
    """Members are explained as members, all others as not, and the root verdict agrees."""
    row = sampled_row
    crowd, now = crowds[row.zone], micros(row.now)
    segment = await crowd.segment(canonical.read(row.condition, row.zone), now)
    turn = ROWS.index(row)
    names = choose_two(row.members, turn) + choose_two(frozenset(crowd.contacts) - row.members, turn)
    expected = {name: (name in row.members,) * 2 for name in names}
    assert await explain(crowd, segment, now, names) == expected
    await Segments(crowd.engine, lambda: now).delete(crowd.caller, segment.id)


async def test_explanations_of_random_conditions(
    crowds: Mapping[str, Crowd], pytestconfig: pytest.Config
) -> None:
    """The explanation of every contact equals the oracle's verdict."""
    rng = Random(pytestconfig.stash[SEED])
    ids = tuple(PEOPLE.lists.values())
    last = ROWS[-1].now
    for condition in islice(iter(lambda: random_conditions.condition(rng, ids), None), TREES):
        zone = rng.choice(sorted(crowds))
        crowd, now = crowds[zone], micros(last)
        segment = await crowd.segment(canonical.read(condition, zone), now)
        names = rng.sample(sorted(crowd.contacts), 20)
        expected = {
            name: oracle.matches(condition, PEOPLE.contacts[name], now=last, zone=zone, lists=PEOPLE.lists)
            for name in names
        }
        result = await explain(crowd, segment, now, names)
        assert result == {name: (is_, is_) for name, is_ in expected.items()}, condition


async def test_a_static_segment_has_no_reasons(crowds: Mapping[str, Crowd]) -> None:
    """Its members are explained as members; its condition, true or not, decides nothing."""
    crowd, now = crowds["UTC"], micros(PEOPLE.now)
    node = canonical.read({"field": "status", "operator": "equals", "operand": "subscribed"}, "UTC")
    segment = await crowd.segment(node, now, SegmentType.STATIC)
    explanations = Explanations(crowd.engine, lambda: now)
    for contact in crowd.contacts.values():
        explanation = await explanations.explain(crowd.caller, segment.id, contact.id)
        assert (explanation.is_member, explanation.verdict) == (contact.status == "subscribed", None)


@pytest.mark.parametrize("named", ["", "nobody", "0195f3b2-7c1a-7d3e-8f4a-1b2c3d4e5f60", "x" * 100_000])
async def test_an_unknown_contact_or_segment_is_not_found(crowds: Mapping[str, Crowd], named: str) -> None:
    """An unknown contact is not found by its id or its address; nor is an unknown segment."""
    crowd, now = crowds["UTC"], micros(PEOPLE.now)
    segment = await crowd.segment(tree.DRAFT, now)
    explanations = Explanations(crowd.engine, lambda: now)
    with pytest.raises(NotFound, match="named contact"):
        await explanations.explain(crowd.caller, segment.id, named)
    for id_ in (None, "0195f3b2-7c1a-7d3e-8f4a-1b2c3d4e5f60"):
        with pytest.raises(NotFound, match="segment"):
            await explanations.explain(crowd.caller, id_, named)
