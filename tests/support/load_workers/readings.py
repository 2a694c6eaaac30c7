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
    facts: Facts = {("contact", one["email"]): {name: one[name] for name in _SHOWN} for one in contacts}
    ids: dict[Fact, str] = {("contact", one["email"]): one["id"] for one in contacts}
    emails = {one["id"]: one["email"] for one in contacts}
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
    for one in await _all(way, "/api/v1/segments"):
        id_, dialect = one["id"], one["name"].split("-")[1]
        fact = ("static" if dialect == "static" else "segment", one["name"])
        ids[fact], facts[fact] = id_, one["conditions"]
        if dialect == "misar":
            facts[fact] = (await way.get(f"/mail/v1/segments/{id_}"))["data"]["filter_criteria"]
        if dialect == "static":
            facts[fact] = frozenset(emails[member] for member in await members(way, id_))


async def members(way: ServerClient, segment: str) -> Sequence[str]:
    """Return the ids of a segment's members from one response."""
    found: list[str] = (await way.get(f"/io/contacts/segments/{segment}/members"))["contactIds"]
    return found


async def paged_members(way: ServerClient, segment: str, limit: int) -> Sequence[str]:
    """Return the ids of a segment's members from pages of a given size."""
    return [one["id"] for one in await _all(way, f"/api/v1/segments/{segment}/contacts", limit)]


async def _lists(way: ServerClient, facts: Facts, ids: dict[Fact, str]) -> None:
    for one in await _all(way, "/api/v1/lists"):
        fact = ("list" if one["type"] == "static" else "dynamic", one["name"])
        ids[fact], facts[fact] = one["id"], one["conditions"]
        if one["type"] == "static":
            on_it = await _all(way, f"/api/v1/lists/{one['id']}/members")
            facts[fact] = frozenset(contact["email"] for contact in on_it)
            assert len(on_it) == one["member_count"], one["name"]


async def _tags(
    way: ServerClient, facts: Facts, ids: dict[Fact, str], contacts: Sequence[Mapping[str, Any]]
) -> None:
    borne = Counter(tag for one in contacts for tag in one["tags"])
    rows = await _all(way, "/api/v1/tags")
    assert borne == Counter({one["name"]: one["contact_count"] for one in rows if one["contact_count"]})
    for one in rows:
        ids["tag", one["name"]], facts["tag", one["name"]] = one["id"], True
