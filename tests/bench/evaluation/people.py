"""Seeded contacts for the realistic mix: names, cities and tags repeat, addresses do not."""

import json
from collections.abc import Iterator
from random import Random

import msgspec

from bench.data import DAY, NOW, contacts
from bench.evaluation import words
from diglot.conditions.dates import format_instant
from diglot.model.contacts import Contact


def people(count: int, first: int = 1, seed: int = 1) -> Iterator[Contact]:
    """Yield a number of contacts with dense keys."""
    rng = Random(seed)
    for contact in contacts(count, first, seed):
        yield _enrich(contact, rng)


def _enrich(contact: Contact, rng: Random) -> Contact:
    """Return a contact with words of the vocabularies, and with a date and more numbers."""
    attributes = msgspec.json.decode(contact.attributes) | {
        "city": words.CITIES.draw(rng),
        "country": words.COUNTRIES.draw(rng),
        "plan": words.PLANS_BY_USE.draw(rng),
        "last_login": format_instant(NOW - rng.randrange(400 * DAY)),
    }
    return msgspec.structs.replace(
        contact,
        email=f"{words.FIRST_NAMES.draw(rng).lower()}.{contact.pk}@{words.DOMAINS.draw(rng)}",
        first_name=words.FIRST_NAMES.draw(rng) if contact.first_name else None,
        last_name=words.LAST_NAMES.draw(rng) if contact.last_name else None,
        company=f"{words.COMPANIES.draw(rng)} & Co" if contact.company else None,
        source=words.SOURCES.draw(rng),
        lead_score=float(rng.randrange(101)) if rng.random() < 0.5 else None,
        tags=json.dumps(words.TAGS.sample(rng, rng.randrange(6)), ensure_ascii=False),
        attributes=json.dumps(attributes, ensure_ascii=False, separators=(",", ":")),
    )
