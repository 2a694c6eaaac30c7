"""Writes of tags and lists, and the facts that follow from them."""

from support.load_workers.segments import drop, room, written
from support.load_workers.worker import Actor, Fact, Facts, Step

# Tags


def make_tag(actor: Actor) -> Step | None:
    """Create a tag that no contact has yet."""
    if not room(actor, "tag"):
        return None
    fact = ("tag", actor.new_name("tag"))
    return actor.step("POST", "/api/v1/tags", {"name": fact[1]}, actor.facts | {fact: True}).making(fact)


def put_tag(actor: Actor) -> Step | None:
    """Add a tag to contacts."""
    known, contacts = actor.known("tag"), actor.known("contact")
    if not known or not contacts:
        return None
    fact, chosen = actor.rng.choice(known), actor.some(contacts)
    after = dict(actor.facts)
    for one in chosen:
        person = after[one]
        if fact[1] not in person["tags"]:
            after[one] = person | {"tags": [*person["tags"], fact[1]]}
    body = {"contact_ids": [actor.ids[one] for one in chosen]}
    return actor.step("POST", f"/api/v1/tags/{actor.ids[fact]}/contacts", body, after)


def _bearing(actor: Actor) -> list[tuple[Fact, Fact]]:
    """Return the actor's tags that contacts have, each with one of these contacts."""
    tags, contacts = actor.known("tag"), actor.known("contact")
    return [
        (tag, bearing[0])
        for tag in tags
        if (bearing := [one for one in contacts if tag[1] in actor.facts[one]["tags"]])
    ]


def take_tag(actor: Actor) -> Step | None:
    """Remove a tag from a contact."""
    if not (pairs := _bearing(actor)):
        return None
    tag, contact = actor.rng.choice(pairs)
    person = actor.facts[contact]
    after = actor.facts | {contact: person | {"tags": [name for name in person["tags"] if name != tag[1]]}}
    path = f"/api/v1/tags/{actor.ids[tag]}/contacts/{actor.ids[contact]}"
    return actor.step("DELETE", path, None, after)


def _renamed(facts: Facts, tag: str, name: str | None) -> Facts:
    """Return the facts after a tag is renamed on its contacts, or removed from them."""
    after = {fact: value for fact, value in facts.items() if fact != ("tag", tag)}
    for fact, person in facts.items():
        if fact[0] == "contact" and tag in person["tags"]:
            renamed = [name if one == tag else one for one in person["tags"]]
            after[fact] = person | {"tags": [one for one in renamed if one is not None]}
    return after


def rename_tag(actor: Actor) -> Step | None:
    """Rename a tag, also on its contacts; prefer a tag that a contact has."""
    borne = [tag for tag, _ in _bearing(actor)]
    if not (known := borne or actor.known("tag")):
        return None
    tag, fact = actor.rng.choice(known), ("tag", actor.new_name("tag"))
    after = _renamed(actor.facts, tag[1], fact[1]) | {fact: True}
    return actor.step("PATCH", f"/api/v1/tags/{actor.ids[tag]}", {"name": fact[1]}, after).making(fact)


def drop_tag(actor: Actor) -> Step | None:
    """Delete a tag, and remove it from its contacts."""
    known = actor.known("tag")
    if len(known) < 2:
        return None
    tag = actor.rng.choice(known)
    return actor.step("DELETE", f"/api/v1/tags/{actor.ids[tag]}", None, _renamed(actor.facts, tag[1], None))


# Lists


def make_list(actor: Actor) -> Step | None:
    """Create a static list."""
    if not room(actor, "list"):
        return None
    fact = ("list", actor.new_name("list"))
    after = actor.facts | {fact: frozenset[str]()}
    return actor.step("POST", "/api/v1/lists", {"name": fact[1]}, after).making(fact)


def make_dynamic_list(actor: Actor) -> Step | None:
    """Create a dynamic list."""
    if not room(actor, "dynamic"):
        return None
    fact, condition = ("dynamic", actor.new_name("dynamic")), written(actor, "topmail")
    body = {"name": fact[1], "type": "dynamic", "conditions": condition}
    return actor.step("POST", "/api/v1/lists", body, actor.facts | {fact: condition}).making(fact)


def join_list(actor: Actor) -> Step | None:
    """Add contacts to a list."""
    known, contacts = actor.known("list"), actor.known("contact")
    if not known or not contacts:
        return None
    fact, chosen = actor.rng.choice(known), actor.some(contacts)
    members = actor.facts[fact] | {email for _, email in chosen}
    body = {"contact_ids": [actor.ids[one] for one in chosen]}
    path = f"/api/v1/lists/{actor.ids[fact]}/members"
    return actor.step("POST", path, body, actor.facts | {fact: members})


def leave_list(actor: Actor) -> Step | None:
    """Remove a contact from a list."""
    lists, contacts = actor.known("list"), actor.known("contact")
    on_one = [(one, fact) for one in lists for fact in contacts if fact[1] in actor.facts[one]]
    if not on_one:
        return None
    fact, contact = actor.rng.choice(on_one)
    after = actor.facts | {fact: actor.facts[fact] - {contact[1]}}
    return actor.step("DELETE", f"/api/v1/lists/{actor.ids[fact]}/members/{actor.ids[contact]}", None, after)


def drop_list(actor: Actor) -> Step | None:
    """Delete a static list."""
    return drop(actor, "list", "/api/v1/lists")


def drop_dynamic_list(actor: Actor) -> Step | None:
    """Delete a dynamic list."""
    return drop(actor, "dynamic", "/api/v1/lists")
