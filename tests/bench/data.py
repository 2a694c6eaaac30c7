"""Seeded, plausible contacts for benchmarks, with every kind of field and attribute."""

import json
from collections.abc import Iterator
from random import Random
from uuid import UUID

from diglot.model.contacts import Contact

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000
COUNTRIES = ("Germany", "France", "United States", "Japan", "Brazil", "India", "Türkiye", "Spain")
CITIES = ("Berlin", "Paris", "New York", "Tokyo", "São Paulo", "Mumbai", "İstanbul", "Madrid")
PLANS = ("free", "free", "free", "starter", "pro", "enterprise")
FIRST = ("Ada", "Björn", "Chloé", "Dmitri", "Émile", "Fatma", "Grace", "Hiro", "Inès", "José")
LAST = ("Lovelace", "Müller", "Dupont", "Ivanov", "Şahin", "Tanaka", "García", "Smith", "Nguyen")
STATUSES = ("subscribed",) * 8 + ("unsubscribed", "bounced")
TAGS = tuple(f"tag-{index}" for index in range(50))


def contacts(count: int, first_pk: int = 1, seed: int = 1, now: int = NOW) -> Iterator[Contact]:
    """Yield a given number of contacts with dense keys, as they are at an instant."""
    rng = Random(seed)
    for pk in range(first_pk, first_pk + count):
        yield _contact(rng, pk, now)


def _id(rng: Random, pk: int, now: int) -> str:
    """Return a UUIDv7, so that the ids of later contacts sort later, as in production."""
    milliseconds = now // 1000 - 10**9 + pk
    bits = milliseconds << 80 | 7 << 76 | rng.getrandbits(12) << 64 | 2 << 62 | rng.getrandbits(62)
    return str(UUID(int=bits))


def _contact(rng: Random, pk: int, now: int) -> Contact:
    created = now - rng.randrange(900 * DAY)
    opened = now - rng.randrange(365 * DAY) if rng.random() < 0.8 else None
    tags = rng.sample(TAGS, rng.randrange(4))
    return Contact(
        pk=pk,
        id=_id(rng, pk, now),
        email=f"user{pk}@{rng.choice(('example', 'mail', 'corp'))}.{rng.choice(('com', 'io', 'de'))}",
        first_name=rng.choice(FIRST) if rng.random() < 0.95 else None,
        last_name=rng.choice(LAST) if rng.random() < 0.92 else None,
        phone=None,
        company=f"{rng.choice(LAST)} & Co" if rng.random() < 0.5 else None,
        job_title=None,
        source=rng.choice(("web", "import", "api")),
        status=rng.choice(STATUSES),
        engagement_score=float(rng.randrange(101)),
        lead_score=None,
        total_opens=rng.randrange(200),
        total_clicks=rng.randrange(50),
        total_orders=rng.randrange(20) if rng.random() < 0.3 else 0,
        total_spent=round(rng.random() * 1000, 2) if rng.random() < 0.3 else 0.0,
        created_at=created,
        updated_at=created,
        last_opened_at=opened,
        last_clicked_at=None if opened is None else opened - rng.randrange(30 * DAY),
        last_emailed_at=now - rng.randrange(60 * DAY),
        tags=json.dumps(tags),
        attributes=_attributes(rng),
    )


def _attributes(rng: Random) -> str:
    place = rng.randrange(len(COUNTRIES))
    attributes = {
        "country": COUNTRIES[place],
        "city": CITIES[place],
        "plan": rng.choice(PLANS),
        "seats": rng.randrange(1, 100),
        "ltv": round(rng.random() * 5000, 2),
        "is_vip": rng.random() < 0.1,
        "renews_on": f"2026-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}",
        "note": rng.choice(("met at the fair", "asked for a demo", "came back 100%")),
        "langs": rng.sample(("en", "de", "fr", "ja"), rng.randrange(3)),
    }
    return json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))
