"""Rows on the field `segments` hold in every evaluator, on every database, and in the oracle."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from diglot.conditions import tree
from diglot.model.pages import Window
from diglot.model.segments import Condition, ManualMemberChange, MemberAction, OriginalText, SegmentType
from diglot.service.audience.dry_run import DryRuns
from diglot.service.audience.explain import Explanations
from diglot.service.audience.segments import NewSegment, Segments
from support import canonical, oracle, spec_data
from support.evaluators import EVALUATORS
from support.paths import SPEC
from support.populations import Crowd, micros
from support.reporting import Tally
from unit.conditions.test_python_compiler import PEOPLE, subject

pytestmark = pytest.mark.asyncio(loop_scope="module")
DATA = spec_data.read(SPEC / "references" / "segments.json")
ROWS = sorted(DATA["rows"], key=lambda row: row.get("now", ""))
ALL = Window(0, 1_000)
SOURCE = OriginalText("canonical", "{}")
every_row = pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])


@dataclass
class Named:
    """A crowd with the segments of the file: the id of each, and the numbers of the static ones."""

    crowd: Crowd
    ids: dict[str, str]
    static: dict[str, str]


def instant_of(row: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(row["now"]) if "now" in row else PEOPLE.now


def members_of(row: Mapping[str, Any]) -> frozenset[str]:
    everybody = frozenset(PEOPLE.contacts)
    return frozenset(row["members"]) if "members" in row else everybody - frozenset(row["all_but"])


def with_ids(node: Any, ids: Mapping[str, str]) -> Any:
    """Return a condition with the ids of segments in place of their names."""
    if isinstance(node, list):
        return [with_ids(each, ids) for each in node]
    if "operator" not in node:
        ((mode, inner),) = node.items()
        return {mode: with_ids(inner, ids)}
    if node["field"] != "segments":
        return node
    operand = node["operand"]
    named = [ids[each] for each in operand] if isinstance(operand, list) else ids[operand]
    return node | {"operand": named}


def read(node: Any, ids: Mapping[str, str]) -> Condition:
    return Condition(canonical.read(with_ids(node, ids)), SOURCE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def named(crowds: Mapping[str, Crowd]) -> AsyncIterator[Named]:
    """Lend the segments of the file among the population."""
    crowd = crowds["UTC"]
    one = Named(crowd, {}, {})
    segments = Segments(crowd.engine, lambda: micros(PEOPLE.now))
    for name, raw in DATA["segments"].items():
        kind = SegmentType.STATIC if "static" in raw else SegmentType.DYNAMIC
        condition = read(raw.get("condition", {"all": []}), one.ids)
        created = await segments.create(crowd.caller, NewSegment(name, condition, type=kind))
        one.ids[name] = created.id
        if kind is SegmentType.STATIC:
            one.static[name] = str(created.number)
            ids = tuple(crowd.contacts[who].id for who in raw["static"])
            await segments.change_members(crowd.caller, created.id, ManualMemberChange(MemberAction.SET, ids))
    yield one


def definitions() -> dict[str, oracle.Definition]:
    return {
        name: oracle.Definition(raw.get("condition"), frozenset(raw.get("static", ())))
        for name, raw in DATA["segments"].items()
    }


@every_row
async def test_the_oracle_finds_the_members(row: Mapping[str, Any]) -> None:
    """It reads the rules of all segments each time, without any code of the product."""
    found = oracle.segment_members(
        *(oracle.Definition(row["condition"]), definitions(), PEOPLE.contacts),
        now=instant_of(row),
        zone="UTC",
        lists=PEOPLE.lists,
    )
    assert found == members_of(row)


@every_row
async def test_a_row_holds(named: Named, row: Mapping[str, Any], tally: Tally) -> None:
    """A stored segment, its expanded condition in each evaluator, a dry run and an explanation agree."""
    crowd, now = named.crowd, micros(instant_of(row))
    segments = Segments(crowd.engine, lambda: now)
    condition = read(row["condition"], named.ids)
    created = await segments.create_with_count(crowd.caller, NewSegment("row", condition))
    page = await segments.list_members(crowd.caller, created.segment.id, ALL)
    found = {name for name, one in crowd.contacts.items() if one.id in {each.id for each in page.items}}
    assert found == members_of(row)
    assert created.count == len(found)
    assert bool(created.segment.deleted_references) is row.get("invalid", False)
    dry = await DryRuns(crowd.engine, lambda: now).run(crowd.caller, condition.tree, None)
    assert dry.members.count == len(found)
    assert len(dry.rules) == len(list(tree.rules_of(condition.tree)))
    for name in ("ada", "ben", "eve"):
        explained = await Explanations(crowd.engine, lambda: now).explain(
            crowd.caller, created.segment.id, crowd.contacts[name].id
        )
        assert explained.verdict is not None
        assert (explained.is_member, explained.verdict.matches) == (name in found, name in found)
    node = created.segment.evaluated_tree
    if not tree.is_draft(node):
        compare_evaluators(named, {0: node, 1: tree.Not(node)}, now, found)
    await segments.delete(crowd.caller, created.segment.id)
    tally("rows on segments", crowd.engine.backend.name, 1)


def compare_evaluators(named: Named, nodes: Mapping[int, tree.Node], now: int, found: set[str]) -> None:
    people = {}
    for name, contact in PEOPLE.contacts.items():
        view = subject(contact, "UTC", PEOPLE.lists)
        static = [named.static[each] for each in named.static if name in DATA["segments"][each]["static"]]
        people[name] = view.with_fields({**view.fields, "segments": static})
    for evaluator in EVALUATORS.values():
        matched = evaluator(nodes, ZoneInfo("UTC"))(list(people.values()), now)
        for name, numbers in zip(people, matched, strict=True):
            assert numbers == ({0} if name in found else {1}), name
