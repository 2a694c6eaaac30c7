"""Writes of contacts in both dialects, and the facts that follow from them."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from support.load_workers.worker import EVENT, Actor, Fact, Facts, Step

Person = dict[str, Any]

PLANS: Final = ("pro", "free", 5, "5", True)
TAGS: Final = ("vip", "VIP", "\u00c4", "new")
_NOBODY: Final[Person] = {
    "first_name": None,
    "status": "subscribed",
    "tags": [],
    "engagement_score": None,
    "total_orders": 0,
    "attributes": {},
}


def _values(actor: Actor) -> dict[str, Any]:
    """Return the values of a write of contacts; `round` makes each write different."""
    rng = actor.rng
    actor.made += 1
    values: dict[str, Any] = {"attributes": {"plan": rng.choice(PLANS), "round": actor.made}}
    if rng.random() < 0.5:
        own = [name for _, name in actor.identified("tag")]
        values["tags"] = rng.sample([*TAGS, *own], rng.randint(0, 3))
    if rng.random() < 0.5:
        values["first_name"] = rng.choice(("Ada", "\u00c4DA", "bo", None))
    if rng.random() < 0.5:
        values["engagement_score"] = rng.choice((0, 50, 99.5, None))
    if rng.random() < 0.3:
        # The day ends at some time within the run.
        seen = datetime.fromtimestamp(time.time(), UTC) - timedelta(days=1, seconds=rng.uniform(-30, 5))
        values["attributes"]["seen"] = seen.isoformat().replace("+00:00", "Z")
    return values


def _status(actor: Actor) -> dict[str, str]:
    rng = actor.rng
    return {"status": rng.choice(("subscribed", "unsubscribed"))} if rng.random() < 0.4 else {}


def _write(after: Facts, email: str, values: dict[str, Any]) -> None:
    """Record a contact's facts after a write, and the events that webhooks receive."""
    before: Person | None = after.get(("contact", email))
    person = (before or _NOBODY) | values
    if "attributes" in values:
        person["attributes"] = (before or _NOBODY)["attributes"] | values["attributes"]
    if before is not None and before["status"] != person["status"] == "unsubscribed":
        after[(EVENT, email)] = after.get((EVENT, email), 0) + 1
    after[("contact", email)] = person


def _misar(values: Mapping[str, Any]) -> dict[str, Any]:
    return {"custom_fields" if key == "attributes" else key: value for key, value in values.items()}


def create_contact(actor: Actor) -> Step | None:
    """Create a contact, in either dialect."""
    free = [n for n in range(actor.size) if ("contact", actor.email(n)) not in actor.facts]
    if not free:
        return None
    email = actor.email(actor.rng.choice(free))
    values = _values(actor) | _status(actor)
    after = dict(actor.facts)
    _write(after, email, values)
    fact = ("contact", email)
    if actor.rng.random() < 0.5:
        return actor.step("POST", "/api/v1/contacts", {"email": email, **values}, after).creating(fact)
    return actor.step("POST", "/mail/v1/contacts", {"email": email, **_misar(values)}, after).creating(fact)


def import_contacts(actor: Actor) -> Step | None:
    """Create and update contacts in one write."""
    emails = [actor.email(n) for n in actor.choose(range(actor.size))]
    rows, after = [], dict(actor.facts)
    for email in emails:
        values = _values(actor)
        # Null says nothing in an import.
        _write(after, email, {name: value for name, value in values.items() if value is not None})
        rows.append({"email": email, **_misar(values)})
    new = sum(("contact", email) not in actor.facts for email in emails)
    report = {"imported": new, "updated": len(emails) - new, "skipped": 0, "failed": 0}
    step = actor.step("POST", "/mail/v1/contacts/import", {"contacts": rows}, after)
    return step.divided(emails, report)


def update_contact(actor: Actor) -> Step | None:
    """Update a contact by its id, in either dialect."""
    if not (known := actor.identified("contact")):
        return None
    fact = actor.rng.choice(known)
    values = _values(actor) | _status(actor)
    after = dict(actor.facts)
    _write(after, fact[1], values)
    if actor.rng.random() < 0.5:
        return actor.step("PATCH", f"/api/v1/contacts/{actor.ids[fact]}", values, after)
    return actor.step("PATCH", f"/mail/v1/contacts/{actor.ids[fact]}", _misar(values), after)


def update_by_email(actor: Actor) -> Step | None:
    """Update a contact by its address."""
    emails = [name for kind, name in actor.facts if kind == "contact"]
    if not emails:
        return None
    email = actor.rng.choice(emails)
    values = _values(actor) | _status(actor)
    after = dict(actor.facts)
    _write(after, email, values)
    return actor.step("PATCH", "/mail/v1/contacts", {"email": email, **_misar(values)}, after)


def update_many(actor: Actor) -> Step | None:
    """Update several contacts alike in one write."""
    if not (known := actor.identified("contact")):
        return None
    chosen = actor.choose(known)
    values = _values(actor) | _status(actor)
    after = dict(actor.facts)
    for _, email in chosen:
        _write(after, email, values)
    body = {"ids": [actor.ids[fact] for fact in chosen], "update": _misar(values)}
    step = actor.step("PATCH", "/mail/v1/contacts/bulk", body, after)
    return step.divided([email for _, email in chosen], {"updated": len(chosen), "not_found": []})


def purchase(actor: Actor) -> Step | None:
    """Record an order."""
    emails = [name for kind, name in actor.facts if kind == "contact"]
    if not emails:
        return None
    email = actor.rng.choice(emails)
    after = dict(actor.facts)
    person = after[("contact", email)]
    after[("contact", email)] = person | {"total_orders": person["total_orders"] + 1}
    body = {"email": email, "order_id": actor.new_name("order"), "revenue": 5}
    return actor.step("POST", "/mail/v1/track/purchase", body, after)


def _without(facts: Facts, gone: list[Fact]) -> Facts:
    """Return the facts without some contacts, which also leave their lists."""
    emails = frozenset(email for _, email in gone)
    kept = {fact: value for fact, value in facts.items() if fact[0] != "contact" or fact[1] not in emails}
    by_hand = {fact: value - emails for fact, value in kept.items() if fact[0] in ("static", "list")}
    return kept | by_hand


def delete_contact(actor: Actor) -> Step | None:
    """Delete a contact, in either dialect."""
    if not (known := actor.identified("contact")):
        return None
    fact = actor.rng.choice(known)
    prefix = actor.rng.choice(("/mail/v1", "/api/v1"))
    return actor.step("DELETE", f"{prefix}/contacts/{actor.ids[fact]}", None, _without(actor.facts, [fact]))


def delete_many(actor: Actor) -> Step | None:
    """Delete contacts in one write."""
    if not (known := actor.identified("contact")):
        return None
    chosen = actor.choose(known)
    body = {"ids": [actor.ids[fact] for fact in chosen]}
    step = actor.step("DELETE", "/mail/v1/contacts/bulk", body, _without(actor.facts, chosen))
    return step.divided([email for _, email in chosen], {"deleted": len(chosen), "not_found": []})
