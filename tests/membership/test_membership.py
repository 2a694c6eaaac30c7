"""Membership over HTTP: static and dynamic, refresh, time zones, imports, in both dialects."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from diglot.membership import read
from diglot.service.access.workspaces import Workspaces
from diglot.storage.connect import create_engine
from support.servers.api_clients import Misar, Topmail, dialect_clients
from support.servers.in_process import Server, serving

# 2026-03-01T12:00:00Z
NOW = 1_772_366_400_000_000
HOUR = 3_600_000_000
VIP = {"rules": [{"field": "tags", "operator": "contains", "value": "vip"}]}


@dataclass(frozen=True)
class Clients:
    """A server and a client of each dialect in one workspace."""

    server: Server
    misar: Misar
    topmail: Topmail

    async def contact(self, email: str, **fields: Any) -> str:
        """Create a contact and return its id."""
        answer = await self.misar.request("POST", "/contacts", {"email": email} | fields, 201)
        id_: str = answer["data"]["id"]
        return id_

    async def names(self, id_: str) -> set[str]:
        """Return the local parts of the members' addresses; both dialects and every count agree on them."""
        members = await self.misar.members(id_)
        assert await self.topmail.members(id_) == members
        assert {*await self.misar.counts(id_), *await self.topmail.counts(id_)} == {len(members)}
        shown = (await self.topmail.request("GET", f"/segments/{id_}/contacts"))["data"]
        return {item["email"].partition("@")[0] for item in shown}


@pytest_asyncio.fixture
async def clients(url: str) -> AsyncIterator[Clients]:
    """Lend a server on a database of the test's own."""
    async with serving(url, now=NOW) as server:
        yield Clients(server, *await dialect_clients(server))


async def _zone(clients: Clients, zone: str) -> None:
    engine = create_engine(clients.server.url)
    await engine.open()
    await Workspaces(engine).set_time_zone("one", zone)
    await engine.close()


async def test_a_static_segment_keeps_its_members(clients: Clients) -> None:
    """Contacts that start or stop matching change the dynamic segment alone."""
    ada = await clients.contact("ada@example.com", tags=["vip"])
    static = (await clients.misar.create("static", VIP, segment_type="static"))["id"]
    dynamic = (await clients.misar.create("dynamic", VIP))["id"]
    bob = await clients.contact("bob@example.com", tags=["vip"])
    await clients.topmail.request("PATCH", f"/contacts/{ada}", {"tags": []})
    assert await clients.names(static) == {"ada"}
    assert await clients.names(dynamic) == {"bob"}
    await clients.misar.request("POST", f"/segments/{static}/refresh")
    assert await clients.names(static) == {"ada"}
    shown = await clients.topmail.get(static)
    await clients.topmail.patch(static, condition=shown["conditions"])
    assert await clients.names(static) == {"ada"}
    await clients.topmail.request("DELETE", f"/contacts/{ada}")
    assert await clients.names(static) == set()
    await clients.topmail.patch(static, condition=VIP | {"match": "any"})
    assert await clients.names(static) == {"bob"}
    await clients.topmail.request("DELETE", f"/contacts/{bob}")


async def test_a_refresh_changes_only_its_time(clients: Clients) -> None:
    """A refresh updates only last_calculated_at of the stored segment, and answers the listed count."""
    rule = {"field": "last_opened_at", "operator": "in_last_days", "value": 1}
    segment = await clients.misar.create("opened lately", {"rules": [rule]})
    await clients.contact("ada@example.com", last_opened_at="2026-03-01T11:00:00Z")
    clients.server.now += 5 * HOUR
    data = (await clients.misar.request("POST", f"/segments/{segment['id']}/refresh"))["data"]
    now = "2026-03-01T17:00:00Z"
    assert data == {"contact_count": 1, "last_calculated_at": now, "count_as_of": now, "revision": 1}
    after = await clients.misar.get(segment["id"])
    changed = {"contact_count", "last_calculated_at", "count_as_of", "next_change_at"}
    assert {key for key in after if after[key] != segment[key]} == changed
    clients.server.now += 20 * HOUR
    assert await clients.names(segment["id"]) == set(), "a dynamic segment changes by the passing of time"
    assert (await clients.misar.get(segment["id"]))["last_calculated_at"] == data["last_calculated_at"]


async def test_a_refreshed_draft_stays_a_draft(clients: Clients) -> None:
    """A segment without rules has never been calculated."""
    segment = await clients.topmail.create("draft", {})
    data = (await clients.misar.request("POST", f"/segments/{segment['id']}/refresh"))["data"]
    assert (data["contact_count"], data["last_calculated_at"]) == (0, None)


async def test_the_time_zone_decides_when_days_begin(clients: Clients) -> None:
    """Dates without an offset follow the zone, in segments and contacts, old and new; instants do not."""
    fields = {"last_opened_at": "2026-02-28T22:30:00Z"}
    ada = {"due": "2026-03-01", "met": "2026-02-28T22:30:00Z"}
    rules = {
        "opened that day": _rule("last_opened_at", "equals", "2026-03-01"),
        "opened since that day": _rule("last_opened_at", "gte", "2026-03-01"),
        "opened since a local time": _rule("last_opened_at", "gte", "2026-03-01 00:15"),
        "opened at a local time": _rule("last_opened_at", "in", ["2026-03-01T00:30:00"]),
        "met since a local time": _rule("met", "after", "2026-03-01T00:15:00"),
        "opened yesterday": _rule("last_opened_at", "exactly_days_ago", 1),
        "met since that day": _rule("met", "gte", "2026-03-01"),
        "due before an instant": _rule("due", "before", "2026-02-28T23:30:00Z"),
        "due as text": _rule("due", "equals", "2026-03-01"),
        "opened at an instant": _rule("last_opened_at", "equals", "2026-02-28T22:30:00Z"),
    }
    in_utc = {"opened yesterday", "due as text", "opened at an instant"}
    in_athens = set(rules) - {"opened yesterday"}
    segments: list[tuple[str, str]] = []
    for zone, expected in (("UTC", in_utc), ("Europe/Athens", in_athens), ("UTC", in_utc)):
        await _zone(clients, zone)
        for name, rule in rules.items():
            maker = clients.misar if len(segments) % 2 else clients.topmail
            segments.append((name, (await maker.create(name, rule))["id"]))
        people = {f"ada{number}" for number in range(await _another(clients, ada, fields))}
        for name, id_ in segments:
            assert await clients.names(id_) == (people if name in expected else set()), f"{name} in {zone}"


async def test_an_answer_written_back_changes_nothing_after_a_change_of_zone(clients: Clients) -> None:
    """Both dialects show what is local without an offset, so that the next zone reads it anew."""
    rules = [
        ("2026-03-01", "2026-03-01"),
        ("2026-03-01 00:15", "2026-03-01T00:15:00"),
        ("2026-03-01T00:15:00+02:00", "2026-02-28T22:15:00Z"),
    ]
    for maker in (clients.misar, clients.topmail):
        for sent, canonical in rules:
            segment = await maker.create(sent, _rule("last_opened_at", "gte", sent))
            updated_at = (await clients.topmail.get(segment["id"]))["updated_at"]
            for zone in ("Europe/Athens", "America/New_York", "UTC"):
                await _zone(clients, zone)
                misar, topmail = (
                    await clients.misar.get(segment["id"]),
                    await clients.topmail.get(segment["id"]),
                )
                values = [
                    shown["rules"][0]["value"] for shown in (misar["filter_criteria"], topmail["conditions"])
                ]
                assert values == [
                    sent if maker is one else canonical for one in (clients.misar, clients.topmail)
                ]
                await clients.misar.patch(segment["id"], condition=misar["filter_criteria"])
                after = await clients.topmail.patch(segment["id"], condition=topmail["conditions"])
                assert (after["revision"], after["updated_at"]) == (1, updated_at), (sent, zone)


async def _another(clients: Clients, attributes: dict[str, str], fields: dict[str, str]) -> int:
    """Create one more matching contact and return the new count."""
    number = (await clients.topmail.request("GET", "/contacts"))["pagination"]["total"]
    await clients.contact(f"ada{number}@example.com", custom_fields=attributes, **fields)
    return int(number) + 1


def _rule(field: str, operator: str, value: Any) -> dict[str, Any]:
    return {"rules": [{"field": field, "operator": operator, "value": value}]}


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    [
        ("unsubscribed", {}, "unsubscribed"),
        ("unsubscribed", {"status": "subscribed"}, "subscribed"),
        ("unsubscribed", {"subscribed": True}, "subscribed"),
        ("bounced", {"subscribed": True}, "bounced"),
        ("complained", {}, "complained"),
        ("subscribed", {"subscribed": False}, "unsubscribed"),
    ],
)
async def test_an_import_keeps_an_unsubscribed_contact(
    clients: Clients, before: str, sent: dict[str, Any], after: str
) -> None:
    """A contact that unsubscribed stays unsubscribed, unless the import says otherwise."""
    id_ = await clients.contact("ada@example.com", status=before)
    segment = (await clients.topmail.create("subscribed", _rule("subscribed", "equals", value=True)))["id"]
    body = {"contacts": [{"email": "ADA@example.com", "first_name": "Ada"} | sent]}
    answer = await clients.misar.request("POST", "/contacts/import", body)
    assert answer["summary"] == {"imported": 0, "updated": 1, "skipped": 0, "errors": 0}
    contact = (await clients.topmail.request("GET", f"/contacts/{id_}"))["data"]
    assert (contact["first_name"], contact["status"]) == ("Ada", after)
    assert await clients.names(segment) == ({"ada"} if after == "subscribed" else set())


async def test_a_rename_does_not_scan(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that keeps the condition scans nothing in its write; a changed condition is evaluated."""
    await clients.contact("ada@example.com", tags=["vip"])
    id_ = (await clients.misar.create("counted", VIP))["id"]
    assert await clients.misar.counts(id_) == (1, 1, 1)
    scans: list[str] = []
    evaluated = read.evaluate_condition

    async def noted(*args: Any) -> Any:
        scans.append("scan")
        return await evaluated(*args)

    monkeypatch.setattr(read, "evaluate_condition", noted)
    await clients.topmail.patch(id_, name="renamed there")
    renamed = await clients.misar.request("PATCH", f"/segments/{id_}", {"name": "renamed here"})
    assert (renamed["data"]["name"], renamed["data"]["contact_count"]) == ("renamed here", 1)
    assert scans == []
    changed = {"filter_criteria": {"operator": "OR", **VIP}}
    await clients.misar.request("PATCH", f"/segments/{id_}", changed)
    assert scans == ["scan"]
