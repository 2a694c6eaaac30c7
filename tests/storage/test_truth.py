"""Every row of the spec holds on every database."""

from collections.abc import Mapping
from functools import partial

import pytest

from diglot.conditions import tree
from diglot.model.pages import Window
from support import canonical, oracle, spec_data
from support.engines import Database
from support.populations import Crowd
from support.reporting import Tally

# In the order of their time, because memberships stored at an instant are not evaluated again at an earlier
# one.
ROWS = sorted(spec_data.rows(), key=lambda row: row.now)
# One loop for all rows, because the connections of an engine belong to the loop that opened them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


def name_of(row: spec_data.Row) -> str:
    return f"{row.file}: {row.name}"


def is_draft(row: spec_data.Row) -> bool:
    return tree.is_draft(canonical.read(row.condition, row.zone))


@pytest.mark.parametrize("row", ROWS, ids=name_of)
async def test_a_row_holds(
    database: Database, crowds: Mapping[str, Crowd], row: spec_data.Row, tally: Tally
) -> None:
    """The members of a row are exactly the contacts that match."""
    node = canonical.read(row.condition, row.zone)
    assert await crowds[row.zone].members(node, row.now) == row.members
    tally("rows of the spec", database.name, 1)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("row", [row for row in ROWS if not is_draft(row)], ids=name_of)
async def test_a_negation_is_the_complement(crowds: Mapping[str, Crowd], row: spec_data.Row) -> None:
    """A contact that does not match a condition matches its negation, missing values included."""
    node = tree.Not(canonical.read(row.condition, row.zone))
    everybody = frozenset(spec_data.population().contacts)
    assert await crowds[row.zone].members(node, row.now) == everybody - row.members


async def test_a_static_segment_keeps_the_members(
    crowds: Mapping[str, Crowd], sampled_row: spec_data.Row
) -> None:
    """A static segment consists of the contacts that match at its creation."""
    row = sampled_row
    node = canonical.read(row.condition, row.zone)
    assert await crowds[row.zone].static_members(node, row.now) == row.members


@pytest.mark.one_in(3)
@pytest.mark.parametrize("acceptance", spec_data.acceptances(), ids=lambda acceptance: acceptance.name)
async def test_an_acceptance_is_evaluated(
    crowds: Mapping[str, Crowd], acceptance: spec_data.Acceptance
) -> None:
    """A condition at the limit is not too large for a database, either."""
    people = spec_data.population()
    match = partial(oracle.matches, acceptance.condition, now=people.now, zone="UTC", lists=people.lists)
    expected = frozenset(name for name, one in people.contacts.items() if match(one))
    node = canonical.read(acceptance.condition, "UTC")
    assert await crowds["UTC"].members(node, people.now) == expected


@pytest.mark.parametrize("limit", [1, 7, 1000])
async def test_pages_follow_one_another(crowds: Mapping[str, Crowd], limit: int) -> None:
    """Contacts come newest first and unchanged, in whatever form they are compared; pages never overlap."""
    now = spec_data.population().now
    everybody = canonical.read({"field": "email", "operator": "is_set"}, "UTC")
    for crowd in crowds.values():
        windows = [Window(offset, limit) for offset in range(0, len(crowd.contacts) + 1, limit)]
        pages = [await crowd.page(everybody, now, window) for window in windows]
        assert [item for page in pages for item in page] == list(crowd.contacts.values())[::-1]
