"""Random events, and random legal conditions about them, with instants at the edges of windows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from diglot.conditions.operands import RELATIVE_OPS
from support import random_conditions
from support.oracle import name_of
from support.random_conditions import OPERATORS

NAMES: Final = ("purchase", "email.opened", "cafe\u0301", "a.count")
UNKNOWN: Final = "nothing"
KEYS: Final = ("colour", "price", "revenue", "caf\u00e9", "cafe\u0301", "tags", " plan\u3000", "a.b", "1st")
NUMBERS: Final = (0, 1, -2, 2.5, "5", 0.1, 0.2, -1)
VALUES: Final = ("red", "Red", "", True, "true", ["red", 1], "2026-01-01", *NUMBERS)
WINDOWS: Final = ("1m", "90m", "1h", "24h", "1d", "7d", "30d", "180d", "36500d")
COUNTS: Final = (0, 1, 2, 3, 5, 63, 64, 65, -1, 2.5, "2", 1.0)
SUMMED: Final = ("price", "revenue", "price", "caf\u00e9", "30d ")
SUMS: Final = (0, 1, -2, 2.5, 0.1, 0.2, 0.3, 0.30000000000000004, 5, "2.6", -1.5, 1e308, 1e-7)
# In days or hours.
DISTANCES: Final = (0, 1, 7, 30)
_LENGTHS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_HAIR: Final = timedelta(microseconds=1)


def length_of(window: str) -> timedelta:
    """Return the length of a window."""
    return int(window[:-1]) * _LENGTHS[window[-1]]


def instant(rng: Random, now: datetime) -> datetime:
    """Generate an instant at or before now, mostly at the edge of a window or next to it."""
    edge = now - length_of(rng.choice(WINDOWS[:-1]))
    return min(now, edge + rng.choice((-1, 0, 1, 1_000_000)) * _HAIR) if rng.random() < 0.8 else now


def properties(rng: Random) -> dict[str, Any]:
    """Generate the properties of an event."""
    keys = {name_of(key): key for key in rng.sample(KEYS, rng.randrange(len(KEYS)))}.values()
    return {
        key: rng.choice(NUMBERS if key in SUMMED else VALUES)
        if rng.random() < 0.8
        else random_conditions.attribute(rng)
        for key in keys
    }


def where(rng: Random) -> dict[str, Any]:
    """Generate the rules that an event has to match."""
    return {rng.choice(("all", "any")): [_property_rule(rng) for _ in range(rng.choice((1, 1, 2, 3)))]}


def _property_rule(rng: Random) -> dict[str, Any]:
    pick = rng.random()
    if pick < 0.1:
        return {"field": "machine", "operator": rng.choice(("equals", "not_equals")), "operand": True}
    field = rng.choice(KEYS)
    if pick < 0.6:
        operator = rng.choice(("equals", "not_equals", "gte", "is_set"))
        made = {"field": field, "operator": operator}
        operand = rng.choice(NUMBERS if operator == "gte" else [v for v in VALUES if not isinstance(v, list)])
        return made if operator == "is_set" else made | {"operand": operand}
    while True:
        made = random_conditions.predicate(rng)
        if made["field"].startswith("attributes.") and made["operator"] not in RELATIVE_OPS:
            return {**made, "field": field}


def events(rng: Random, now: datetime) -> list[dict[str, Any]]:
    """Generate the events of a contact in the order in which they arrive."""
    return [
        {
            "name": rng.choice(NAMES),
            "at": instant(rng, now).isoformat().replace("+00:00", "Z"),
            **({"machine": rng.random() < 0.5} if rng.random() < 0.2 else {}),
            **({"properties": properties(rng)} if rng.random() < 0.8 else {}),
        }
        for _ in range(rng.choice((0, 1, 2, 5, 12)))
    ]


def predicate(rng: Random, now: datetime) -> dict[str, Any]:
    """Generate one legal predicate about events."""
    made = _about_all(rng, now)
    return made | {"where": where(rng)} if rng.random() < 0.4 else made


def _about_all(rng: Random, now: datetime) -> dict[str, Any]:
    name = rng.choice((*NAMES, UNKNOWN)) if rng.random() < 0.3 else "purchase"
    if rng.random() < 0.3:
        return _about_instant(rng, now, f"events.{name}.{rng.choice(('first_at', 'last_at'))}")
    window = f".{rng.choice(WINDOWS)}" if rng.random() < 0.8 else ""
    operator = rng.choice(OPERATORS["number"])
    part, operands = "count", list[Any](COUNTS)
    if rng.random() < 0.4:
        part, operands = f"sum.{rng.choice(SUMMED)}", list(SUMS)
    made: dict[str, Any] = {"field": f"events.{name}.{part}{window}", "operator": operator}
    if operator in {"is_set", "is_empty"}:
        return made
    many = operator in {"in", "not_in"}
    return made | {"operand": rng.choices(operands, k=rng.randrange(4)) if many else rng.choice(operands)}


def _about_instant(rng: Random, now: datetime, field: str) -> dict[str, Any]:
    operator = rng.choice(OPERATORS["instant"])
    made: dict[str, Any] = {"field": field, "operator": operator}
    if operator in {"is_set", "is_empty"}:
        return made
    if operator in RELATIVE_OPS:
        return made | {"operand": rng.choice(DISTANCES)}
    written = instant(rng, now).isoformat().replace("+00:00", "Z")
    written = rng.choice((written, written[:10]))
    return made | {"operand": [written] if operator in {"in", "not_in"} else written}


def condition(rng: Random, now: datetime, others: Sequence[Any] = (), depth: int = 2) -> dict[str, Any]:
    """Generate a legal condition about events, and perhaps one of the other predicates."""
    pick = rng.random()
    if depth < 1 or pick < 0.4:
        return rng.choice(others) if others and rng.random() < 0.2 else predicate(rng, now)
    if pick < 0.5:
        return {"not": condition(rng, now, others, depth - 1)}
    nodes = [condition(rng, now, others, depth - 1) for _ in range(rng.randint(1, 3))]
    return {rng.choice(("all", "any")): nodes}
