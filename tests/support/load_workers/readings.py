"""Reads the contents of a workspace from a server: as facts, and as members of segments."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from support.load_workers.worker import Fact, Facts, ServerClient

_SHOWN = ("first_name", "status", "tags", "engagement_score", "total_orders", "attributes")


@dataclass(frozen=True)
class Reading:
    """The contents: the facts and ids of all actors, and the segments without relative dates."""

    facts: Facts
    ids: Mapping[Fact, str]
    still: Mapping[str, str]

    def owned_by(self, owner: str) -> tuple[Facts, dict[Fact, str]]:
        """Return the facts and the ids of an actor's own resources."""
        mine = {fact for fact in self.ids if fact[1].startswith(f"{owner}-")}
        return {fact: self.facts[fact] for fact in mine}, {fact: self.ids[fact] for fact in mine}


async def _all(way: ServerClient, path: str, limit: int = 1000) -> list[dict[str, Any]]:
    """Return the rows of all pages; the total must be their number."""
    rows: list[dict[str, Any]] = []
    while True:
        page = await way.get(f"{path}?limit={limit}&offset={len(rows)}")
        rows += page["data"]
        if not page["pagination"]["has_more"]:
            assert page["pagination"]["total"] == len(rows), path
            return rows


async def read_workspace(way: ServerClient) -> Reading:
    """Read everything; the counts of tags and lists must be right."""
    contacts = await _all(way, "/api/v1/contacts")
    facts: Facts = {
        ("contact", contact["email"]): {name: contact[name] for name in _SHOWN} for contact in contacts
    }
    ids: dict[Fact, str] = {("contact", contact["email"]): contact["id"] for contact in contacts}
    emails = {contact["id"]: contact["email"] for contact in contacts}
    await _segments(way, facts, ids, emails)
    await _lists(way, facts, ids)
    await _tags(way, facts, ids, contacts)
    still = {
        fact[1]: ids[fact]
        for fact, value in facts.items()
        if fact[0] == "segment" and "days" not in str(value)
    }
    return Reading(facts, ids, still | {fact[1]: id_ for fact, id_ in ids.items() if fact[0] == "static"})


async def _segments(way: ServerClient, facts: Facts, ids: dict[Fact, str], emails: Mapping[str, str]) -> None:
    """Read segments, each in the dialect that created it."""
    for item in await _all(way, "/api/v1/segments"):
        id_, dialect = item["id"], item["name"].split("-")[1]
        fact = ("static" if dialect == "static" else "segment", item["name"])
        ids[fact], facts[fact] = id_, item["conditions"]
        if dialect == "misar":
            facts[fact] = (await way.get(f"/mail/v1/segments/{id_}"))["data"]["filter_criteria"]
        if dialect == "static":
            facts[fact] = frozenset(emails[member] for member in await members(way, id_))


async def members(way: ServerClient, segment: str) -> Sequence[str]:
    """Return the ids of a segment's members from one response."""
    result: list[str] = (await way.get(f"/io/contacts/segments/{segment}/members"))["contactIds"]
    return result


async def paged_members(way: ServerClient, segment: str, limit: int) -> Sequence[str]:
    """Return the ids of a segment's members from pages of a given size."""
    return [item["id"] for item in await _all(way, f"/api/v1/segments/{segment}/contacts", limit)]


async def _lists(way: ServerClient, facts: Facts, ids: dict[Fact, str]) -> None:
    for list_ in await _all(way, "/api/v1/lists"):
        fact = ("list" if list_["type"] == "static" else "dynamic", list_["name"])
        ids[fact], facts[fact] = list_["id"], list_["conditions"]
        if list_["type"] == "static":
            on_it = await _all(way, f"/api/v1/lists/{list_['id']}/members")
            facts[fact] = frozenset(contact["email"] for contact in on_it)
            assert len(on_it) == list_["member_count"], list_["name"]


async def _tags(
    way: ServerClient, facts: Facts, ids: dict[Fact, str], contacts: Sequence[Mapping[str, Any]]
) -> None:
    borne = Counter(tag for contact in contacts for tag in contact["tags"])
    rows = await _all(way, "/api/v1/tags")
    assert borne == Counter({row["name"]: row["contact_count"] for row in rows if row["contact_count"]})
    for row in rows:
        ids["tag", row["name"]], facts["tag", row["name"]] = row["id"], True
