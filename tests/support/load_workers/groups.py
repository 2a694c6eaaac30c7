"""Writes of tags and lists, and the facts that follow from them."""

from support.load_workers.segments import delete_resource, has_room, render_condition
from support.load_workers.worker import Actor, Fact, Facts, Step

# Tags


def create_tag(actor: Actor) -> Step | None:
    """Create a tag that no contact has yet."""
    if not has_room(actor, "tag"):
        return None
    fact = ("tag", actor.new_name("tag"))
    return actor.step("POST", "/api/v1/tags", {"name": fact[1]}, actor.facts | {fact: True}).creating(fact)


def add_tag(actor: Actor) -> Step | None:
    """Add a tag to contacts."""
    known, contacts = actor.identified("tag"), actor.identified("contact")
    if not known or not contacts:
        return None
    fact, chosen = actor.rng.choice(known), actor.choose(contacts)
    after = dict(actor.facts)
    for item in chosen:
        person = after[item]
        if fact[1] not in person["tags"]:
            after[item] = person | {"tags": [*person["tags"], fact[1]]}
    body = {"contact_ids": [actor.ids[item] for item in chosen]}
    return actor.step("POST", f"/api/v1/tags/{actor.ids[fact]}/contacts", body, after)


def _tags_in_use(actor: Actor) -> list[tuple[Fact, Fact]]:
    """Return the actor's tags that contacts have, each with one of these contacts."""
    tags, contacts = actor.identified("tag"), actor.identified("contact")
    return [
        (tag, bearing[0])
        for tag in tags
        if (bearing := [contact for contact in contacts if tag[1] in actor.facts[contact]["tags"]])
    ]


def remove_tag(actor: Actor) -> Step | None:
    """Remove a tag from a contact."""
    if not (pairs := _tags_in_use(actor)):
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
            renamed = [name if item == tag else item for item in person["tags"]]
            after[fact] = person | {"tags": [item for item in renamed if item is not None]}
    return after


def rename_tag(actor: Actor) -> Step | None:
    """Rename a tag, also on its contacts; prefer a tag that a contact has."""
    borne = [tag for tag, _ in _tags_in_use(actor)]
    if not (known := borne or actor.identified("tag")):
        return None
    tag, fact = actor.rng.choice(known), ("tag", actor.new_name("tag"))
    after = _renamed(actor.facts, tag[1], fact[1]) | {fact: True}
    return actor.step("PATCH", f"/api/v1/tags/{actor.ids[tag]}", {"name": fact[1]}, after).creating(fact)


def delete_tag(actor: Actor) -> Step | None:
    """Delete a tag, and remove it from its contacts."""
    known = actor.identified("tag")
    if len(known) < 2:
        return None
    tag = actor.rng.choice(known)
    return actor.step("DELETE", f"/api/v1/tags/{actor.ids[tag]}", None, _renamed(actor.facts, tag[1], None))


# Lists


def create_list(actor: Actor) -> Step | None:
    """Create a static list."""
    if not has_room(actor, "list"):
        return None
    fact = ("list", actor.new_name("list"))
    after = actor.facts | {fact: frozenset[str]()}
    return actor.step("POST", "/api/v1/lists", {"name": fact[1]}, after).creating(fact)


def create_dynamic_list(actor: Actor) -> Step | None:
    """Create a dynamic list."""
    if not has_room(actor, "dynamic"):
        return None
    fact, condition = ("dynamic", actor.new_name("dynamic")), render_condition(actor, "topmail")
    body = {"name": fact[1], "type": "dynamic", "conditions": condition}
    return actor.step("POST", "/api/v1/lists", body, actor.facts | {fact: condition}).creating(fact)


def add_to_list(actor: Actor) -> Step | None:
    """Add contacts to a list."""
    known, contacts = actor.identified("list"), actor.identified("contact")
    if not known or not contacts:
        return None
    fact, chosen = actor.rng.choice(known), actor.choose(contacts)
    members = actor.facts[fact] | {email for _, email in chosen}
    body = {"contact_ids": [actor.ids[item] for item in chosen]}
    path = f"/api/v1/lists/{actor.ids[fact]}/members"
    return actor.step("POST", path, body, actor.facts | {fact: members})


def remove_from_list(actor: Actor) -> Step | None:
    """Remove a contact from a list."""
    lists, contacts = actor.identified("list"), actor.identified("contact")
    on_one = [(list_, fact) for list_ in lists for fact in contacts if fact[1] in actor.facts[list_]]
    if not on_one:
        return None
    fact, contact = actor.rng.choice(on_one)
    after = actor.facts | {fact: actor.facts[fact] - {contact[1]}}
    return actor.step("DELETE", f"/api/v1/lists/{actor.ids[fact]}/members/{actor.ids[contact]}", None, after)


def delete_list(actor: Actor) -> Step | None:
    """Delete a static list."""
    return delete_resource(actor, "list", "/api/v1/lists")


def delete_dynamic_list(actor: Actor) -> Step | None:
    """Delete a dynamic list."""
    return delete_resource(actor, "dynamic", "/api/v1/lists")
