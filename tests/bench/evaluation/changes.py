"""Changes of one field of contacts, as single writes make them."""

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import Any, Final

import msgspec

from bench.data import DAY, NOW
from bench.evaluation import words
from bench.evaluation.sides import UTC, Change
from diglot.model.contact_views import NO_SURROUNDINGS, changed_fields, views_before_and_after
from diglot.model.contacts import Contact

Edit = Callable[[Contact, Random], Contact]
_replace: Final = msgspec.structs.replace


def _edit_attribute(contact: Contact, key: str, value: Any) -> Contact:
    attributes = msgspec.json.decode(contact.attributes) | {key: value}
    return _replace(contact, attributes=msgspec.json.encode(attributes).decode())


def _edit_score(contact: Contact, rng: Random) -> Contact:
    assert contact.engagement_score is not None
    return _replace(contact, engagement_score=contact.engagement_score + rng.choice((-2, -1, 1, 3, 5)))


def _edit_tags(contact: Contact, rng: Random) -> Contact:
    tags = dict.fromkeys([*msgspec.json.decode(contact.tags), words.TAGS.draw(rng)])
    return _replace(contact, tags=msgspec.json.encode(list(tags)).decode())


def _edit_any(contact: Contact, rng: Random) -> Contact:
    return rng.choice([*EDITS.values()])(contact, rng)


EDITS: Final[Mapping[str, Edit]] = {
    "a score": _edit_score,
    "a tag more": _edit_tags,
    "last_opened_at": lambda contact, rng: _replace(contact, last_opened_at=NOW - rng.randrange(DAY)),
    "attribute ltv": lambda contact, rng: _edit_attribute(contact, "ltv", round(rng.random() * 5000, 2)),
    "attribute plan": lambda contact, rng: _edit_attribute(contact, "plan", words.PLANS_BY_USE.draw(rng)),
}
MIXED: Final[Mapping[str, Edit]] = {"any of these": _edit_any}


def changes_of(contacts: Iterable[Contact], edit: Edit, seed: int) -> list[Change]:
    """Return an edit of each contact, as views that nobody has read; always the same for a seed."""
    rng, changes = Random(seed), []
    for before in contacts:
        after = edit(before, rng)
        old, new = views_before_and_after(before, after, (NO_SURROUNDINGS, NO_SURROUNDINGS), UTC)
        assert old is not None
        assert new is not None
        changes.append(Change(old, new, frozenset(changed_fields(before, after))))
    return changes
