"""Every count has its time and revision; a count that cannot be computed is an error, never 0."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from diglot.api.dialect import Dialect
from diglot.conditions import dates
from diglot.conditions.relative_dates import NEVER
from diglot.dialects.registry import DIALECTS
from diglot.membership import evaluate
from diglot.membership.count import CountCache
from diglot.membership.store import MAX_CLOCK_SKEW
from diglot.model.contacts import ContactChange
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.contacts.contacts import Contacts
from diglot.storage.membership import instant_index
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.pool.postgresql_transaction import PostgreSQLTransaction
from diglot.storage.sql.pool.sqlite.transaction import SQLiteTransaction
from diglot.storage.tenant import bind_workspace
from support import canonical
from support.engines import Database
from support.reporting import Tally
from support.servers.in_process import Server, bearer, serving
from support.statements import METHODS

NOW = 1_772_366_400_000_000
SECOND = 1_000_000
FRESH = {"field": "last_opened_at", "operator": "in_last_days", "operand": 1}
VIP = {"field": "tags", "operator": "contains", "operand": "vip"}
ALL = Window(0, 10)


def condition(written: dict[str, Any]) -> Condition:
    return Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))


@dataclass
class TwoProcesses:
    """Two processes on one database, each with its own clock."""

    engine: Engine
    caller: Caller
    clocks: list[int] = field(default_factory=lambda: [NOW, NOW])

    def segments(self, process: int = 0) -> Segments:
        return Segments(self.engine, lambda: self.clocks[process])

    def lists(self, process: int = 0) -> Lists:
        return Lists(self.engine, lambda: self.clocks[process])

    def contacts(self, process: int = 0) -> Contacts:
        return Contacts(self.engine, lambda: self.clocks[process])

    async def segment(self, written: dict[str, Any]) -> str:
        created = await self.segments().create(self.caller, NewSegment("s", condition(written)))
        return created.id

    async def read_counts(self, id_: str, process: int = 0) -> set[tuple[int, int, int]]:
        """Return what all reads report of a segment: its count, the time of the count, and the revision."""
        use = self.segments(process)
        one, counted = await use.count_members(self.caller, id_), await use.get_with_count(self.caller, id_)
        page = await use.list_members(self.caller, id_, ALL)
        _, ids, _ = await use.list_member_ids(self.caller, id_, ALL)
        (listed,) = (
            each
            for each in (await use.list_page_with_counts(self.caller, ALL)).items
            if each.segment.id == id_
        )
        assert len(page.items) == len(ids.items)
        found = await use.find_known(self.caller, id_)
        known = set() if found is None else {(found[0].count, found[1], found[0].segment.revision)}
        assert page.revision is not None
        assert ids.revision is not None
        return {
            (one.members, one.as_of, one.revision),
            (counted.count, counted.as_of, counted.segment.revision),
            (listed.count, listed.as_of, listed.segment.revision),
            (page.total, page.as_of, page.revision),
            (ids.total, ids.as_of, ids.revision),
        } | known


@pytest_asyncio.fixture
async def two(engine: Engine) -> TwoProcesses:
    """Lend two processes."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", NOW))
    return TwoProcesses(engine, Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset()))


@pytest.mark.parametrize("written", [VIP, FRESH], ids=["writes move it", "time moves it"])
async def test_a_count_is_current(two: TwoProcesses, written: dict[str, Any]) -> None:
    """In any call, a count is never older than the last write, even if another clock dated that write."""
    id_ = await two.segment(written)
    change = ContactChange({"email": "ada@example.com", "tags": ["vip"], "last_opened_at": NOW})
    await two.contacts().create(two.caller, change)
    assert await two.read_counts(id_) == {(1, NOW, 1)}
    two.clocks[0] += 5 * SECOND
    assert await two.read_counts(id_) == {(1, NOW + 5 * SECOND, 1)}
    await two.contacts().create(two.caller, ContactChange({"email": "bob@example.com", "tags": ["vip"]}))
    reported = await two.read_counts(id_, process=1)
    assert {as_of for _, as_of, _ in reported} == {NOW + 5 * SECOND}, (
        "the other process's clock is 5 seconds behind"
    )
    assert reported == await two.read_counts(id_)
    await two.segments().update(two.caller, id_, SegmentChange("renamed"))
    await two.segments().update(two.caller, id_, SegmentChange(condition=condition({"not": written})))
    assert {revision for _, _, revision in await two.read_counts(id_)} == {2}


async def test_a_clock_that_was_set_back(two: TwoProcesses) -> None:
    """A cached count with a later time is not used: the count is computed again."""
    id_ = await two.segment(FRESH)
    later = NOW + dates.DAY + MAX_CLOCK_SKEW + SECOND
    await two.contacts().create(
        two.caller, ContactChange({"email": "ada@example.com", "last_opened_at": NOW})
    )
    two.clocks[0] = later
    await two.contacts().create(two.caller, ContactChange({"email": "bob@example.com"}))
    assert await two.read_counts(id_) == {(0, later, 1)}
    assert await two.read_counts(id_, process=1) == {(1, NOW, 1)}
    seen = await two.segments(1).get_with_next_change(two.caller, id_)
    assert seen.next_change_at == NOW + dates.DAY + 1


async def test_unsaved_conditions_have_no_revision(two: TwoProcesses) -> None:
    """Unsaved conditions have no revision, and neither do lists that are filled by hand."""
    await two.contacts().create(two.caller, ContactChange({"email": "ada@example.com", "tags": ["vip"]}))
    page = await two.contacts().list_page(two.caller, ALL, condition(VIP).tree)
    assert (page.total, page.as_of, page.revision) == (1, NOW, None)
    two.clocks[0] += SECOND
    lists = two.lists()
    for made, revision in (
        (await lists.create(two.caller, NewList("by hand")), None),
        (await lists.create(two.caller, NewList("vips", condition=condition(VIP))), 1),
    ):
        result = await lists.get(two.caller, made.list.id)
        number = 0 if revision is None else 1
        assert (result.count, result.as_of) == (made.count, made.as_of) == (number, NOW + SECOND)
        members = await lists.list_members(two.caller, made.list.id, ALL)
        assert (members.total, members.as_of, members.revision) == (number, NOW + SECOND, revision)


async def test_a_count_is_cached_without_its_condition(two: TwoProcesses) -> None:
    """Conditions may be long, and each write caches the counts of another state."""
    counts = CountCache()
    contacts = Contacts(two.engine, lambda: NOW, counts)
    emails = [f"{n}@example.com" for n in range(1_000)]
    wanted = condition({"field": "email", "operator": "in", "operand": emails}).tree
    for number in range(10):
        await contacts.create(two.caller, ContactChange({"email": f"{number}@example.com"}))
        for _ in range(2):
            assert (await contacts.list_page(two.caller, ALL, wanted)).total == number + 1
    assert len(counts._counts.copy()) == 10
    assert sum(len(repr(key)) for key in counts._counts.copy()) < len("".join(emails))


async def test_the_next_change_by_time(two: TwoProcesses) -> None:
    """Every response shows it, even if no request came since the last such change."""
    id_ = await two.segment(FRESH)
    dynamic = (await two.lists().create(two.caller, NewList("l", condition=condition(FRESH)))).list.id
    still = await two.segment(VIP)
    for hours, name in ((0, "ada"), (3, "bob")):
        opened = NOW - hours * 3_600 * SECOND
        change = ContactChange({"email": f"{name}@example.com", "last_opened_at": opened})
        await two.contacts().create(two.caller, change)
    turns = [NOW + dates.DAY - 3 * 3_600 * SECOND + 1, NOW + dates.DAY + 1, NEVER]
    for before, next_ in zip([NOW + 1, *turns[:2]], turns, strict=True):
        two.clocks[0] = before
        seen = {
            (await two.segments().get_with_next_change(two.caller, id_)).next_change_at,
            (await two.segments().get_with_count(two.caller, id_)).segment.next_change_at,
            *(
                item.next_change_at
                for item in (await two.segments().list_page(two.caller, ALL)).items
                if item.id == id_
            ),
        }
        assert seen == {next_}
        behind = (await two.lists().get(two.caller, dynamic)).list.segment
        assert behind is not None
        assert behind.next_change_at == next_
        assert (await two.segments().get_with_next_change(two.caller, still)).next_change_at == NEVER
    await two.segments().update(two.caller, id_, SegmentChange("s"))
    assert (await two.segments().update(two.caller, id_, SegmentChange("t"))).next_change_at == NEVER


async def test_the_count_of_a_pending_segment(two: TwoProcesses, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment is counted live until it is evaluated, and has a next change by time."""
    await two.contacts().create(
        two.caller, ContactChange({"email": "ada@example.com", "last_opened_at": NOW})
    )
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 0)
    id_ = await two.segment(FRESH)
    assert await two.read_counts(id_) == {(1, NOW, 1)}
    assert (await two.segments().get_with_next_change(two.caller, id_)).next_change_at == NOW + dates.DAY + 1
    workspace = two.caller.workspace
    await two.engine.write(
        bind_workspace(workspace, lambda tenant: instant_index.drop_index(tenant, "last_opened_at"))
    )
    seen = await two.segments().get_with_next_change(two.caller, id_)
    assert seen.next_change_at == NOW + 1, "no tick follows the segment yet, so it may change at any time"


# Counts that cannot be computed

RULE = {"field": "tags", "operator": "contains", "value": "vip"}
CALLS: dict[str, list[tuple[str, str, Any]]] = {
    "misar": [
        ("GET", "/mail/v1/segments", None),
        ("GET", "/mail/v1/segments/{fresh}", None),
        ("GET", "/mail/v1/segments/{vip}", None),
        ("GET", "/mail/v1/segments/{vip}/preview", None),
        ("GET", "/mail/v1/segments/{static}/preview", None),
        ("GET", "/mail/v1/segments/{vip}/members", None),
        ("GET", "/mail/v1/segments/{vip}/members?as_of=6", None),
        (
            "POST",
            "/mail/v1/segments/dry-run",
            {"segment_id": "{fresh}", "filter_criteria": {"rules": [RULE]}},
        ),
        ("GET", "/mail/v1/contacts?segment_id={vip}&status=subscribed", None),
        ("GET", "/mail/v1/contacts?status=subscribed", None),
        ("POST", "/mail/v1/segments/{fresh}/refresh", None),
        ("POST", "/mail/v1/segments/{static}/members", {"action": "add", "contact_ids": []}),
        ("GET", "/mail/segments", None),
        ("GET", "/mail/segments/{vip}", None),
        ("POST", "/mail/segments/{vip}/refresh", None),
        (
            "POST",
            "/mail/segments/new/preview",
            {"filter_criteria": {"operator": "AND", "rules": [RULE]}},
        ),
        ("GET", "/io/contacts/segments/{vip}", None),
        ("GET", "/io/contacts/segments/{vip}/members", None),
        (
            "POST",
            "/io/contacts/segments/preview",
            {"filterCriteria": {"operator": "OR", "rules": [RULE]}},
        ),
    ],
    "topmail": [
        ("POST", "/api/v1/segments/{fresh}/estimate", None),
        ("POST", "/api/v1/segments/{vip}/estimate", None),
        ("GET", "/api/v1/segments/{vip}/contacts", None),
        ("GET", "/api/v1/segments/{vip}/contacts?as_of=6", None),
        ("POST", "/api/v1/segments/dry-run", {"segment_id": "{fresh}", "conditions": {"rules": [RULE]}}),
        ("GET", "/api/v1/contacts?subscribed=true", None),
        ("GET", "/api/v1/contacts?list_id={list}", None),
        ("GET", "/api/v1/lists", None),
        ("GET", "/api/v1/lists/{list}", None),
        ("GET", "/api/v1/lists/{list}/members", None),
        ("GET", "/api/v1/tags", None),
        ("GET", "/api/v1/tags/{tag}/contacts", None),
    ],
}
# The count and its time in responses.
COUNTS = {
    *("contact_count", "membership_count", "total_matching", "count", "estimated_count", "total"),
    *("member_count", "current_total", "entering", "leaving", "deleted"),
}


class Failing:
    """A database on which the statement with a given number fails; those before it do not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 0
        for transaction in (SQLiteTransaction, PostgreSQLTransaction):
            for method in METHODS:
                monkeypatch.setattr(transaction, method, self._failing(getattr(transaction, method)))

    def _failing(self, asked: Any) -> Any:
        async def ask(*arguments: Any) -> Any:
            self.left -= 1
            if not self.left:
                raise OSError("disk I/O error")
            return await asked(*arguments)

        return ask


@pytest_asyncio.fixture
async def server(database: Database) -> AsyncIterator[Server]:
    """Serve a fresh database."""
    async with database.fresh() as url, serving(url, now=NOW) as server:
        yield server


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
async def test_a_failing_database_is_an_error(
    server: Server, dialect: Dialect, monkeypatch: pytest.MonkeyPatch, tally: Tally, database: Database
) -> None:
    """If any statement of a counting call fails, the response is the dialect's 500 without a number."""
    headers = bearer(await server.key(dialect.name, "acme"))
    names = await _create_all(server)
    failing = Failing(monkeypatch)
    failed = 0
    for method, path, body in CALLS[dialect.name]:
        for statement in range(1, 100):
            failing.left = statement
            answer = await server.client.request(
                method, path.format(**names), json=_named(body, names), headers=headers
            )
            if answer.status_code == 200:
                failing.left = 0
                break
            assert answer.status_code == 500, f"{method} {path}: {answer.text}"
            assert set(answer.json()) <= {"success", "error"}
            assert not any(f'"{key}":' in answer.text for key in COUNTS), answer.text
            failed += 1
        assert answer.status_code == 200, f"{method} {path}: no number of statements was enough"
        assert statement > 1, f"{method} {path}"
    tally("failed statements of counting calls, all of them errors", database.name, failed)


def _named(body: Any, names: dict[str, str]) -> Any:
    """Return a body with the id of the segment that it names."""
    if body is None or "segment_id" not in body:
        return body
    return body | {"segment_id": body["segment_id"].format(**names)}


async def _create_all(server: Server) -> dict[str, str]:
    """Create segments of three kinds, a dynamic list and a tag, with two members each; return their ids."""
    topmail = bearer(await server.key("topmail", "acme"))
    misar = bearer(await server.key("misar", "acme"))

    async def make(path: str, body: Any, headers: Any) -> str:
        answer = await server.client.post(path, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    for name in ("ada", "bob"):
        person = {
            "email": f"{name}@example.com",
            "tags": ["vip"],
            "last_opened_at": dates.format_instant(NOW),
        }
        await make("/api/v1/contacts", person, topmail)
    fresh: Any = {"field": "last_opened_at", "operator": "in_last_days", "value": 1}
    results = {}
    for name, kind, rule in (
        ("fresh", "dynamic", fresh),
        ("vip", "dynamic", RULE),
        ("static", "static", RULE),
    ):
        body = {
            "name": name,
            "segment_type": kind,
            "filter_criteria": {"operator": "AND", "rules": [rule]},
        }
        results[name] = await make("/mail/v1/segments", body, misar)
    conditions = {"match": "all", "rules": [RULE]}
    new = {"name": "list", "type": "dynamic", "conditions": conditions}
    results["list"] = await make("/api/v1/lists", new, topmail)
    (tag,) = (await server.client.get("/api/v1/tags", headers=topmail)).json()["data"]
    return {**results, "tag": tag["id"]}
