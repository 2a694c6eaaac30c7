"""Warnings: left out by a strict server, sound on random conditions, and true of the attributes in use."""

import json
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from diglot.conditions.analysis.logic import judge
from diglot.storage.contacts import attribute_keys
from support import canonical, oracle, random_conditions, spec_data
from support.reporting import SEED, Tally
from support.servers.api_clients import Misar, Topmail, dialect_clients
from support.servers.in_process import Server, bearer, serving

PEOPLE = spec_data.population()
CONDITIONS = 1_500
UNKNOWN = {"rules": [{"field": "plna", "operator": "equals", "value": 1}]}


def rule(field: str, operator: str, *operand: Any) -> dict[str, Any]:
    return {"field": field, "operator": operator, **({"operand": operand[0]} if operand else {})}


@pytest_asyncio.fixture
async def served(url: str) -> AsyncIterator[Server]:
    """Lend a server on a database of the test's own."""
    async with serving(url) as server:
        yield server


async def codes(client: Misar | Topmail, id_: str) -> list[str]:
    return [warning["code"] for warning in (await client.get(id_))["warnings"]]


async def test_strict_leaves_warnings_out(url: str) -> None:
    """A strict server answers with the vendor's fields and the other extensions."""
    async with serving(url, strict=True) as server:
        misar, topmail = await dialect_clients(server)
        for client in (misar, topmail):
            created = await client.create("typo", UNKNOWN)
            assert "warnings" not in created
            assert "warnings" not in await client.get(created["id"])
            body = {client.member: UNKNOWN}
            assert "warnings" not in (await client.request("POST", "/segments/dry-run", body))["data"]
            assert "warnings" not in json.dumps(await client.request("GET", "/segments"))


async def test_strict_leaves_warnings_about_imports_out(url: str) -> None:
    """In the vendor's own call and in jobs."""
    async with serving(url, strict=True) as server:
        for client in await dialect_clients(server):
            headers = {**bearer(client.key), "Content-Type": "text/csv"}
            created = await server.client.post(f"{client.prefix}/imports", headers=headers, content="email")
            assert created.json()["data"]["status"] == "waiting"
            assert "warnings" not in created.text
        misar, _ = await dialect_clients(server)
        done = await misar.request(
            "POST", "/contacts/import", {"contacts": [{"email": "a@x.example", "b": 1}]}
        )
        assert (done["imported"], "warnings" in done) == (1, False)


async def test_a_key_is_known_once_a_contact_has_it(served: Server) -> None:
    """Creates, updates, imports and rolled back writes: what counts is what is committed."""
    misar, topmail = await dialect_clients(served)
    segments = {
        key: (await misar.create(key, {"rules": [{"field": key, "operator": "is_empty"}]}))["id"]
        for key in ("created", "updated", "imported", "rejected")
    }
    body: dict[str, Any] = {"email": "ada@example.com", "customFields": {"created": 1}}
    ada = (await misar.request("POST", "/contacts", body, 201))["data"]["id"]
    body = {"email": "ada@example.com", "customFields": {"rejected": 1}}
    await misar.request("POST", "/contacts", body, 409)
    await topmail.request("PATCH", f"/contacts/{ada}", {"attributes": {"updated": 1}})
    await topmail.request("PATCH", f"/contacts/{ada}", {"attributes": {"updated": None}})
    body = {"contacts": [{"email": "b@example.com", "customFields": {"imported": 1}}]}
    await misar.request("POST", "/contacts/import", body)
    found = {key: await codes(topmail, id_) for key, id_ in segments.items()}
    assert found == {"created": [], "updated": [], "imported": [], "rejected": ["unknown_field"]}
    other, _ = await dialect_clients(served, "two")
    assert [one["code"] for one in (await other.create("typo", UNKNOWN))["warnings"]] == ["unknown_field"]


async def test_with_many_keys_none_is_unknown(served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that uses data as keys gets no warnings, and its keys are stored no further."""
    monkeypatch.setattr(attribute_keys, "MAX_KEYS", 3)
    misar, _ = await dialect_clients(served)
    segment = (await misar.create("typo", UNKNOWN))["id"]
    for number in range(2):
        fields = {f"key{number}{part}": 1 for part in range(number + 1)}
        await misar.request("POST", "/contacts", {"email": f"{number}@x.com", "customFields": fields}, 201)
        assert await codes(misar, segment) == ["unknown_field"] * (number == 0)
    await misar.request("POST", "/contacts", {"email": "c@x.com", "customFields": {"more": 1}}, 201)
    assert await codes(misar, segment) == []


async def test_names_are_suggested_for_a_few_fields(served: Server) -> None:
    """The search for the nearest name is bounded; every unknown field has its warning."""
    misar, _ = await dialect_clients(served)
    rules = [{"field": f"company{number}", "operator": "is_empty"} for number in range(6)]
    shown = (await misar.create("typos", {"rules": rules}))["warnings"]
    suggested = ["did you mean `company`?" in warning["message"] for warning in shown]
    assert suggested == [True, True, True, False, False, False]


async def test_an_invalid_segment_follows_no_rename(served: Server) -> None:
    """Another tag of the deleted name is renamed: the rules stay as they were written, and invalid."""
    misar, topmail = await dialect_clients(served)
    await misar.request("POST", "/contacts", {"email": "ada@example.com", "tags": ["vip"]}, 201)
    segment = await misar.create(
        "others", {"rules": [{"field": "tags", "operator": "not_equals", "value": "vip"}]}
    )
    tag = (await topmail.request("GET", "/tags"))["data"][0]["id"]
    await topmail.request("DELETE", f"/tags/{tag}")
    tag = (await topmail.request("POST", "/tags", {"name": "vip"}, 201))["data"]["id"]
    await topmail.request("PATCH", f"/tags/{tag}", {"name": "gold"})
    shown = await misar.get(segment["id"])
    assert shown["filter_criteria"]["rules"][0]["value"] == "vip"
    warnings = [(one["path"], one["code"]) for one in shown["warnings"]]
    assert warnings == [("filter_criteria.rules.0", "invalid")]
    assert shown["contact_count"] == 0


def test_verdicts_on_rows_of_truth_are_sound(tally: Tally) -> None:
    """Among them are all fields of events, with windows and `where`."""
    decided = 0
    for row in spec_data.rows():
        verdict = judge(canonical.read(row.condition, row.zone)).verdict
        if verdict is not None:
            decided += 1
            assert set(row.members) == (set(PEOPLE.contacts) if verdict else set()), row.name
    tally("rows of truth decided by logic", "", decided)


def test_verdicts_on_random_conditions_are_sound(pytestconfig: pytest.Config, tally: Tally) -> None:
    """What matches nobody, or everybody, by logic does so among the contacts of the population."""
    rng, decided = Random(pytestconfig.stash[SEED]), 0
    for _ in range(CONDITIONS):
        condition = random_conditions.condition(rng)
        verdict = judge(canonical.read(condition)).verdict
        if verdict is not None:
            decided += 1
            matched = {
                oracle.matches(condition, one, now=PEOPLE.now, zone="UTC", lists=PEOPLE.lists)
                for one in PEOPLE.contacts.values()
            }
            assert matched == {verdict}, condition
    tally("conditions decided by logic", "", decided)


DECIDED: list[tuple[bool | None, dict[str, Any]]] = [
    (False, {"all": []}),
    (False, {"any": []}),
    (False, rule("email", "in", [])),
    (True, rule("attributes.plan", "not_in", [])),
    (True, rule("email", "is_set")),
    (None, rule("company", "is_set")),
    (None, rule("tags", "is_set")),
    (None, rule("lists", "is_empty")),
    (True, rule("total_orders", "gte", 0)),
    (False, rule("total_orders", "lt", 0)),
    (None, rule("total_orders", "gt", 0)),
    (None, rule("lead_score", "gte", 0)),
    (False, rule("lead_score", "gt", 100)),
    (None, rule("lead_score", "gte", 100)),
    (False, rule("lead_score", "equals", 101)),
    (False, rule("lead_score", "in", [-1, 101])),
    (None, rule("lead_score", "in", [-1, 100])),
    (True, rule("total_spent", "lte", 2**53)),
    (True, rule("total_spent", "gt", -1)),
    (False, rule("total_orders", "equals", 1.5)),
    (None, rule("total_spent", "equals", 1.5)),
    (None, rule("attributes.n", "gt", 2**60)),
    (None, rule("created_at", "after", "9999-12-31")),
    (True, rule("status", "in", ["subscribed", "unsubscribed", "bounced", "complained"])),
    (True, {"any": [rule("subscribed", "equals", True), rule("status", "not_equals", "subscribed")]}),
    (False, {"all": [rule("status", "equals", "bounced"), rule("subscribed", "equals", True)]}),
    (None, {"any": [rule("status", "equals", "bounced"), rule("subscribed", "equals", True)]}),
    (False, {"all": [rule("company", "equals", "a"), rule("company", "in", ["b", "c"])]}),
    (None, {"all": [rule("company", "in", ["a", "b"]), rule("company", "in", ["b", "c"])]}),
    (None, {"any": [rule("company", "equals", "a"), rule("company", "equals", "b")]}),
    (None, {"all": [rule("tags", "equals", "a"), rule("tags", "equals", "b")]}),
    (False, {"all": [rule("tags", "contains", "a"), rule("tags", "not_contains", "a")]}),
    (True, {"any": [rule("tags", "contains", "a"), rule("tags", "not_contains", "a")]}),
    (False, {"all": [rule("phone", "is_set"), {"any": [rule("email", "in", []), rule("phone", "in", [])]}]}),
    (True, {"not": {"all": [rule("company", "is_set"), rule("email", "in", [])]}}),
]  # fmt: skip


@pytest.mark.parametrize(("verdict", "condition"), DECIDED, ids=[json.dumps(one[1]) for one in DECIDED])
def test_what_logic_decides(verdict: bool | None, condition: dict[str, Any]) -> None:
    """A verdict is given where no contact could make a difference."""
    assert judge(canonical.read(condition)).verdict is verdict


async def test_only_the_unknown_event_is_warned_of(served: Server) -> None:
    """A rule about an event that somebody has had is silent beside one that nobody has had."""
    misar, _ = await dialect_clients(served)
    await misar.request("POST", "/contacts", {"email": "ada@example.com"}, 201)
    await misar.request("POST", "/track/event", {"email": "ada@example.com", "event_name": "known"})
    names = ("known", "unknown")
    rules = [{"field": f"events.{name}.count", "operator": "gte", "value": 1} for name in names]
    created = await misar.create("both", {"operator": "OR", "rules": rules})
    assert [one["path"] for one in created["warnings"]] == ["filter_criteria.rules.1.field"]
