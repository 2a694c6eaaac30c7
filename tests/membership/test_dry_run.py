"""A dry run finds the members that the segment would have, on every database, and writes nothing."""

import asyncio
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from itertools import islice, pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.api.dialect import Dialect
from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.python_compiler import compile_to_python as evaluator
from diglot.dialects.registry import DIALECTS
from diglot.errors import InvalidInput, NotFound
from diglot.model.contact_views import Surroundings, view_of
from diglot.model.contacts import Contact, ContactChange
from diglot.model.dry_runs import DryRun, Sample
from diglot.model.segments import Segment, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.audience.dry_run import SAMPLE_SIZE, DryRuns
from diglot.service.audience.segments import Segments
from diglot.service.contacts.contacts import Contacts
from diglot.storage.sql.engine import NestedEngine, UnitOfWork
from support import canonical, oracle, random_conditions, spec_data
from support.database_watch import watching
from support.engines import Database
from support.populations import Crowd, contact, event_values, micros
from support.reporting import SEED
from support.servers.in_process import bearer, serving

PEOPLE = spec_data.population()
ROWS = spec_data.rows()
TREES = 60
# One loop for all rows, because the connections of an engine belong to the loop that opened them.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@cache
def other_rows() -> dict[tuple[str, str], spec_data.Row]:
    """Return another row of the same zone and instant for each row, by its name."""
    groups: dict[tuple[datetime, str], list[spec_data.Row]] = defaultdict(list)
    for row in ROWS:
        groups[row.now, row.zone].append(row)
    pairs = [pair for group in groups.values() for pair in pairwise([*group, group[0]])]
    return {(row.file, row.name): other for row, other in pairs}


async def stored_count(crowd: Crowd, segment: Segment, now: int) -> int:
    """Return the stored segment's count of members."""
    return (await Segments(crowd.engine, lambda: now).get_with_count(crowd.caller, segment.id)).count


@cache
def subjects(zone: str) -> tuple[ContactView, ...]:
    """Return the population as the conditions of all rows read it."""
    nodes = [canonical.read(row.condition) for row in spec_data.rows()]
    lists = [
        tuple(PEOPLE.lists[each] for each in contact.get("lists", ())) for contact in PEOPLE.contacts.values()
    ]
    pairs = zip(PEOPLE.contacts.values(), lists, strict=True)
    return tuple(
        view_of(contact(one, 0), Surroundings(on, event_values(one, nodes, zone)), ZoneInfo(zone))
        for one, on in pairs
    )


def rules(node: tree.Node, zone: str, now: int) -> list[tuple[tree.Node, int]]:
    """Return the rules of a condition with the number of contacts for which the compiled function is true."""
    every = list(tree.rules_of(node))
    evaluate = evaluator(dict(enumerate(every)), ZoneInfo(zone))
    met = Counter(number for subject in subjects(zone) for number in evaluate(subject, now))
    return [(rule, met[number]) for number, rule in enumerate(every)]


def runs(crowd: Crowd, now: int) -> DryRuns:
    return DryRuns(crowd.engine, lambda: now)


def expected_sample(crowd: Crowd, names: frozenset[str]) -> Sample:
    """Return the sample that the dry run has to return for some contacts."""
    newest = sorted((crowd.contacts[name] for name in names), key=lambda one: -one.pk)
    return Sample(len(names), newest[:SAMPLE_SIZE])


def check_run(crowd: Crowd, run: DryRun, members: frozenset[str], was: frozenset[str]) -> None:
    """Compare a dry run that replaces a segment with the expected members and counts."""
    assert run.members == expected_sample(crowd, members)
    assert run.replaced is not None
    assert run.replaced.member_count == len(was)
    assert run.replaced.entering == expected_sample(crowd, members - was)
    assert run.replaced.leaving == expected_sample(crowd, was - members)
    assert run.members.count == len(was) + run.replaced.entering.count - run.replaced.leaving.count


async def test_a_row_in_a_dry_run(crowds: Mapping[str, Crowd], sampled_row: spec_data.Row) -> None:
    """The dry run finds the members of the row, and those that enter and leave in place of the other row."""
    row = sampled_row
    other = other_rows()[row.file, row.name]
    crowd, now = crowds[row.zone], micros(row.now)
    caller = crowd.caller
    node, stored = (canonical.read(item.condition, item.zone) for item in (row, other))
    alone = await runs(crowd, now).run(caller, node, None)
    assert (alone.members, alone.replaced, alone.as_of) == (expected_sample(crowd, row.members), None, now)
    assert alone.rules == rules(node, row.zone, now)
    segment = await crowd.segment(stored, now)
    run = await runs(crowd, now).run(caller, node, segment.id)
    check_run(crowd, run, row.members, other.members)
    assert run.rules == alone.rules
    assert run.replaced is not None
    assert (run.replaced.segment.id, run.replaced.segment.revision) == (segment.id, 1)
    await Segments(crowd.engine, lambda: now).delete(caller, segment.id)


async def test_random_conditions_in_a_dry_run(
    crowds: Mapping[str, Crowd], pytestconfig: pytest.Config
) -> None:
    """A dry run finds the oracle's matches, before and after the change."""
    rng = Random(pytestconfig.stash[SEED])
    ids, last = tuple(PEOPLE.lists.values()), max(row.now for row in ROWS)
    for _ in range(TREES):
        zone = rng.choice(sorted(crowds))
        crowd, now = crowds[zone], micros(last)
        conditions = list(islice(iter(lambda: random_conditions.condition(rng, ids), None), 2))
        members, was = (
            frozenset(
                name
                for name, one in PEOPLE.contacts.items()
                if oracle.matches(condition, one, now=last, zone=zone, lists=PEOPLE.lists)
            )
            for condition in conditions
        )
        node, stored = (canonical.read(condition, zone) for condition in conditions)
        segment = await crowd.segment(stored, now)
        run = await runs(crowd, now).run(crowd.caller, node, segment.id)
        check_run(crowd, run, members, was)
        assert run.rules == rules(node, zone, now), conditions
        assert await stored_count(crowd, segment, now) == len(was), "the current total is the segment's count"


async def test_an_acceptance_in_a_dry_run(
    crowds: Mapping[str, Crowd], sampled_acceptance: spec_data.Acceptance
) -> None:
    """No database fails on a condition at the limit, even if it replaces another one at the limit."""
    crowd = crowds["UTC"]
    now = max(row.now for row in ROWS)
    condition = sampled_acceptance.condition
    node = canonical.read(condition, "UTC")
    members = frozenset(
        name
        for name, one in PEOPLE.contacts.items()
        if oracle.matches(condition, one, now=now, zone="UTC", lists=PEOPLE.lists)
    )
    segment = await crowd.segment(tree.Not(node) if not tree.is_draft(node) else node, micros(now))
    run = await runs(crowd, micros(now)).run(crowd.caller, node, segment.id)
    was = frozenset() if tree.is_draft(node) else frozenset(crowd.contacts) - members
    check_run(crowd, run, members, was)
    assert run.rules == rules(node, "UTC", micros(now))


HAS_EMAIL = tree.Predicate("email", tree.Op.IS_SET)
DRAFTS = [
    (tree.DRAFT, tree.DRAFT, False, False),
    (tree.Any(()), HAS_EMAIL, False, True),
    (HAS_EMAIL, tree.Any(()), True, False),
]


@pytest.mark.parametrize(("node", "stored", "is_", "was"), DRAFTS, ids=["both", "new", "current"])
async def test_a_draft_in_a_dry_run(
    crowds: Mapping[str, Crowd], node: tree.Node, stored: tree.Node, is_: bool, was: bool
) -> None:
    """A draft matches no contact, as the old and as the new condition."""
    crowd, now = crowds["UTC"], micros(max(row.now for row in ROWS))
    everybody, nobody = frozenset(crowd.contacts), frozenset[str]()
    segment = await crowd.segment(stored, now)
    run = await runs(crowd, now).run(crowd.caller, node, segment.id)
    check_run(crowd, run, everybody if is_ else nobody, everybody if was else nobody)


async def test_only_dynamic_segments_can_be_replaced(crowds: Mapping[str, Crowd]) -> None:
    """A static segment is rejected with the path of its id; an unknown one is not found."""
    crowd, now = crowds["UTC"], micros(max(row.now for row in ROWS))
    static = await crowd.segment(HAS_EMAIL, now, SegmentType.STATIC)
    with pytest.raises(InvalidInput) as refused:
        await runs(crowd, now).run(crowd.caller, HAS_EMAIL, static.id)
    assert [fault.path for fault in refused.value.faults] == [("segment_id",)]
    for written in ("", "x", "0195f3b2-7c1a-7d3e-8f4a-1b2c3d4e5f60"):
        with pytest.raises(NotFound, match="segment"):
            await runs(crowd, now).run(crowd.caller, HAS_EMAIL, written)


async def test_a_dry_run_reads_one_snapshot(crowds: Mapping[str, Crowd]) -> None:
    """While contacts change sides, counts and samples agree."""
    crowd, now = crowds["UTC"], micros(max(row.now for row in ROWS))
    caller = crowd.caller
    node, stored = (
        tree.Predicate("attributes.side", tree.Op.IN, tree.Values((tree.Text(item), tree.Text("b"))))
        for item in ("a", "c")
    )
    segment = await crowd.segment(stored, now)
    writers = Contacts(crowd.engine, lambda: now)
    ids = [contact.id for contact in crowd.contacts.values()][:20]
    done = asyncio.Event()

    async def write(rng: Random) -> None:
        for _ in range(60):
            change = ContactChange(attributes={"side": rng.choice("abcd")})
            await writers.update(caller, rng.choice(ids), change)

    async def read() -> int:
        reads = 0
        while not done.is_set():
            run = await runs(crowd, now).run(caller, node, segment.id)
            assert run.replaced is not None
            three = (run.members, run.replaced.entering, run.replaced.leaving)
            assert [len(item.newest) for item in three] == [min(entry.count, SAMPLE_SIZE) for entry in three]
            sides = [{side(contact) for contact in item.newest} for item in three]
            assert all(seen <= meant for seen, meant in zip(sides, MEANT, strict=True))
            reads += 1
        return reads

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.gather(write(Random(1)), write(Random(2)))
    done.set()
    assert all(reads > 0 for reads in await asyncio.gather(*readers))


MEANT = ({"a", "b"}, {"a"}, {"c"})


def side(contact: Contact) -> str:
    return str(json.loads(contact.attributes)["side"])


BODIES = {
    "misar": {"filter_criteria": {"rules": [{"field": "email", "operator": "is_not_empty"}]}},
    "topmail": {"conditions": {"rules": [{"field": "email", "operator": "is_set"}]}},
}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_nothing_is_written(database: Database, dialect: Dialect) -> None:
    """A dry run stores not even a response for an idempotency key, and its key only needs to read."""
    scope = "read" if dialect.name == "misar" else "contacts:read"
    async with database.fresh() as url, serving(url) as server, watching(url) as watch:
        key = await server.key(dialect.name, "acme", (scope,))
        before = await watch.state()
        for _ in range(2):
            answer = await server.client.post(
                f"{dialect.prefix}/segments/dry-run",
                json=BODIES[dialect.name],
                headers={**bearer(key), "Idempotency-Key": "once"},
            )
            assert (answer.status_code, answer.json()["data"]["total"]) == (200, 0)
            assert "Idempotency-Replayed" not in answer.headers
        assert await watch.state() == before


STRICT = {
    "misar": ("filter_criteria", {"field": "created_at", "operator": "in_last_days", "value": 3}),
    "topmail": ("conditions", {"field": "email", "operator": "starts_with", "value": "a"}),
}


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_strict_emulation_keeps_dry_runs(database: Database, dialect: Dialect) -> None:
    """It rejects the other vendor's operators, and fields of events, as everywhere; the call stays."""
    key_, rule = STRICT[dialect.name]
    async with database.fresh() as url, serving(url, strict=True) as server:
        key = await server.key(dialect.name, "acme")

        async def status(body: object) -> int:
            path = f"{dialect.prefix}/segments/dry-run"
            return (await server.client.post(path, json=body, headers=bearer(key))).status_code

        events = {"field": "events.purchase.count.30d", "operator": "equals", "value": 3}
        for refused in (rule, events):
            assert await status({key_: {"rules": [refused]}}) == 400
        assert await status(BODIES[dialect.name]) == 200


class _CountingEngine(NestedEngine):
    """Counts the reads that run at once; each takes some turns of the event loop."""

    def __init__(self) -> None:
        self.running: Counter[int] = Counter()
        self.peaks: Counter[int] = Counter()

    async def read(
        self, work: UnitOfWork[Any], *, workspace: int | None = None, seconds: float | None = None
    ) -> Any:
        del work, seconds
        assert workspace is not None
        self.running[workspace] += 1
        self.peaks[workspace] = max(self.peaks[workspace], self.running[workspace])
        for _ in range(5):
            await asyncio.sleep(0)
        self.running[workspace] -= 1


async def test_dry_runs_of_a_workspace_leave_cores_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many at once take half of the cores, and another workspace gets its turn meanwhile."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    engine = _CountingEngine()
    dry_runs = DryRuns(engine)
    workspaces = [1] * 12 + [2]
    callers = [Caller(number, ZoneInfo("UTC"), "key", frozenset()) for number in workspaces]
    await asyncio.gather(*(dry_runs.run(caller, tree.DRAFT, None) for caller in callers))
    assert engine.peaks == {1: 2, 2: 1}
