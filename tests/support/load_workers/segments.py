"""Writes of segments in both dialects, and the facts that follow from them."""

from typing import Any, Final

import msgspec

from diglot.api.rules.writing import write_condition
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from support import canonical
from support.load_workers.contacts import PLANS
from support.load_workers.worker import Actor, Step

MOST_OF_A_KIND: Final = 5


def _condition(actor: Actor, depth: int = 3) -> Any:
    """Return a canonical condition over all actors' contacts; some have relative dates, some name lists."""
    rng = actor.rng
    if depth and rng.random() < 0.2:
        return {rng.choice(("all", "any")): [_condition(actor, depth - 1) for _ in range(2)]}
    rows = [
        {"field": "attributes.plan", "operator": "equals", "operand": rng.choice(PLANS)},
        {"field": "tags", "operator": rng.choice(("contains", "not_contains")), "operand": "vip"},
        {"field": "subscribed", "operator": "equals", "operand": True},
        {"field": "engagement_score", "operator": "gte", "operand": 50},
        {"field": "first_name", "operator": "contains", "operand": "\u00e4"},
        {"field": "attributes.plan", "operator": "is_set"},
        {"field": "total_orders", "operator": "gt", "operand": rng.randint(0, 2)},
        {"field": "attributes.seen", "operator": "in_last_days", "operand": 1},
        {"field": "attributes.seen", "operator": "more_than_days_ago", "operand": 1},
        {"field": "updated_at", "operator": "exactly_days_ago", "operand": 0},
        {"field": "lists", "operator": "is_set"},
    ]
    rows += [
        {"field": "lists", "operator": "equals", "operand": actor.ids[item]}
        for item in actor.identified("list")
    ]
    return rng.choice(rows)


def render_condition(actor: Actor, dialect: str) -> Any:
    """Return a condition in a dialect's words."""
    words = MISAR if dialect == "misar" else TOPMAIL
    return msgspec.json.decode(write_condition(canonical.read(_condition(actor), "UTC"), words))


def has_room(actor: Actor, kind: str) -> bool:
    """Return whether the actor may have one more resource of a kind."""
    return len([fact for fact in actor.facts if fact[0] == kind]) < MOST_OF_A_KIND


def create_segment(actor: Actor) -> Step | None:
    """Create a dynamic segment, in either dialect."""
    if not has_room(actor, "segment"):
        return None
    dialect = actor.rng.choice(("misar", "topmail"))
    name, condition = actor.new_name(dialect), render_condition(actor, dialect)
    after = actor.facts | {("segment", name): condition}
    body: dict[str, Any] = {"name": name, "conditions": condition}
    if dialect == "misar":
        body = {"name": name, "segment_type": "dynamic", "filter_criteria": condition}
    path = f"{_prefix(dialect)}/segments"
    return actor.step("POST", path, body, after).creating(("segment", name))


def _prefix(dialect: str) -> str:
    return "/mail/v1" if dialect == "misar" else "/api/v1"


def update_segment(actor: Actor) -> Step | None:
    """Update the condition of a segment, in the dialect that created it."""
    if not (known := actor.identified("segment")):
        return None
    fact = actor.rng.choice(known)
    dialect = fact[1].split("-")[1]
    condition = render_condition(actor, dialect)
    body = {"filter_criteria" if dialect == "misar" else "conditions": condition}
    path = f"{_prefix(dialect)}/segments/{actor.ids[fact]}"
    return actor.step("PATCH", path, body, actor.facts | {fact: condition})


def refresh_segment(actor: Actor) -> Step | None:
    """Refresh a segment."""
    if not (known := actor.identified("segment")):
        return None
    path = f"/mail/v1/segments/{actor.ids[actor.rng.choice(known)]}/refresh"
    return actor.step("POST", path, None, actor.facts)


def delete_resource(actor: Actor, kind: str, path: str) -> Step | None:
    """Delete one of the actor's resources of a kind, unless it is the last."""
    known = actor.identified(kind)
    if len(known) < 2:
        return None
    gone = actor.rng.choice(known)
    after = {fact: value for fact, value in actor.facts.items() if fact != gone}
    return actor.step("DELETE", f"{path}/{actor.ids[gone]}", None, after)


def delete_segment(actor: Actor) -> Step | None:
    """Delete a segment, in either dialect."""
    return delete_resource(actor, "segment", f"{actor.rng.choice(('/mail/v1', '/api/v1'))}/segments")


def create_static(actor: Actor) -> Step | None:
    """Create a static segment of all the actor's contacts, once."""
    if not has_room(actor, "static"):
        return None
    name = actor.new_name("static")
    emails = frozenset(name for kind, name in actor.facts if kind == "contact")
    rule = {"field": "email", "operator": "starts_with", "value": f"{actor.name}-"}
    body = {
        "name": name,
        "segment_type": "static",
        "filter_criteria": {"operator": "AND", "rules": [rule]},
    }
    after = actor.facts | {("static", name): emails}
    return actor.step("POST", "/mail/v1/segments", body, after).creating(("static", name))


def change_static(actor: Actor) -> Step | None:
    """Change the members of a static segment by hand."""
    known, contacts = actor.identified("static"), actor.identified("contact")
    if not known or not contacts:
        return None
    fact, chosen = actor.rng.choice(known), actor.choose(contacts)
    emails = frozenset(email for _, email in chosen)
    action = actor.rng.choice(("add", "remove", "set"))
    was = actor.facts[fact]
    members = {"add": was | emails, "remove": was - emails, "set": emails}[action]
    body = {"action": action, "contact_ids": [actor.ids[item] for item in chosen]}
    path = f"/mail/v1/segments/{actor.ids[fact]}/members"
    return actor.step("POST", path, body, actor.facts | {fact: members})


def delete_static(actor: Actor) -> Step | None:
    """Delete a static segment."""
    return delete_resource(actor, "static", "/mail/v1/segments")
