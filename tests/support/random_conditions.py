"""Random contacts and random legal conditions over one pool of edge values, so that matches are common."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from support.oracle import KINDS, kind_of, moment, name_of, numeric

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
UNKNOWN_LIST = "0198ffff-ffff-7fff-bfff-ffffffffffff"

# fmt: off
TEXTS: Sequence[str] = (
    "", " ", "\t\u2003\u3000", "\u200b", "\ufeff", "\u001c", "\u0001x", "a", "A", "ab", "a,b", "Ada",
    "ADA", "ada ",
    "Zoë", "Zoe\u0308", "ZOË", "Zoe", "Straße", "STRASSE", "strasse", "\u1e9e", "ss", "İ", "i\u0307",
    "I", "\u0131", "i",
    "ΟΔΥΣΣΕΥΣ", "\u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c2", "\u03c3", "ς",
    "Адам", "АДАМ", "陈", "😀", "👩\u200d👧", "\u212b", "Å", "\ufb01n", "fin", "\u0345",
    "100%", "100", "%", "_", "a_b", "a%b", "\\", "a\\b", "*", "?", "'", '"', 'x"vip', "vip", "VIP",
    '["a"]', "{}", "null",
    "true", "false", "True", "1", "0", "-0", "-0.0", "+5", "05", "5", "5.0", "5.", ".5", "1e3", " 5",
    "5\n", "\u0665", "50", "50.5",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1" * 30,
    "1" * 31,
    "0.1", "0.30000000000000004", "1e16", "1e308", "lorem ipsum " * 20, "\u0390", "\u03b9\u0308\u0301",
    "\u1fd3", "ŉ",
    "\\u001e", "\\u001e\\u001f", "a\\u001eplan\\u001f",
    "\x1e", "\x1f", "\x1a\x18", "\x1d\x1fplan\x1ea\x1eplan\x1f", "a\x1eplan", "\x1fx\x1e", "da", "b",
    "\u03b1\u0345\u0301", "\u03ac\u03b9", "\u03b1\u03af",
)
NUMBERS: Sequence[int | float] = (
    0, -0.0, 1, 1.0, -1, 5, 5.0, 50, 50.5, 0.1, 0.30000000000000004, 0.3, 1e16, 10**16, 1e-7, 1e308,
    -1e308, 5e-324,
    2**53 - 1, 2**53, 2**53 + 1, float(2**53), -(2**53) - 1, 2**63 - 1, 2**63 - 2, -(2**63),
    float(2**63), 1767225600,
)
DATES: Sequence[str] = (
    "2026-01-01", "2026-03-01", "2026-02-28", "2026-02-22", "2026-01-30", "2024-02-29", "2025-04-25",
    "2018-11-04",
    "2018-02-17", "2026-03-08", "2025-11-02", "1970-01-01", "0001-01-01", "9999-12-31", "1926-03-26",
    "2011-12-30", "2000-03-02", "1988-02-29", "2004-03-08", "1990-02-28",
)
ANCHORS: Sequence[datetime] = (
    NOW, *(NOW - timedelta(days=days) for days in (1, 7, 30, 365, 36_500)),
    *(datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (0, 5)),
    datetime(2025, 12, 31, 18, 30, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2025, 4, 24, 22, tzinfo=UTC), datetime(2025, 4, 25, 21, tzinfo=UTC),
    datetime(2026, 3, 8, 5, tzinfo=UTC),
    datetime(2026, 3, 9, 4, tzinfo=UTC), datetime(2018, 11, 4, 3, tzinfo=UTC),
    datetime(2018, 11, 5, 2, tzinfo=UTC),
    *(NOW + timedelta(days=days) for days in (1, 7, 30, 365)),
    *(NOW + timedelta(hours=hours) for hours in (-48, -24, -12, -1, 1, 12, 24)),
    datetime(2023, 2, 28, 23, tzinfo=UTC), datetime(2000, 3, 8, tzinfo=UTC), datetime(1900, 3, 1, tzinfo=UTC),
)
EXTREMES: Sequence[str] = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")
NO_DATES: Sequence[str] = (
    "2026-02-30", "2023-02-29", "0000-01-01", "2026-1-1", "2026-01-01T24:00:00Z",
    "2026-01-01T23:59:60Z", " 2026-01-01",
    "2026-01-01\n", "2026-01-01T00:00:00z", "2026-01-01T00:00:00+0530", "2026-01-01T00:00:00.1234567Z",
    "\u0662\u0660\u0662\u0666-\u0660\u0661-\u0660\u0661",
)
KEYS: Sequence[str] = (
    "plan", "Plan", "plan2", "pl", "plan.tier", "plan tier", "1st", "attributes.x", "x", "Email",
    "$.plan", "plan[0]",
    "%", "_", "?", ":plan", "a'b", "プラン", "\u00fcni", "u\u0308ni", " plan\u3000",
    "k" * 100, "plan\u200b", "true", "*",
)
DAYS: Sequence[int | str] = (0, 1, 2, 7, 29, 30, 31, 59, 365, 36_500, "0", "30", "00030", "36500")
HOURS: Sequence[int | str] = (0, 1, 12, 13, 24, 48, 168, 8_760, 876_000, "0", "24", "000024", "876000")
SAMPLES: Sequence[int | float | str] = (0, 1, 10, 25, 50, 50.5, 75, 90, 99.999, 100, -1, 1e308, "10", "50.5")
DISTANCES: Sequence[int | float | str] = (
    0, 1, 2, 6, 6.5, 7, 30, 183, 306, 331, 363, 364, 365, 366, 0.0, -1, 2**53 + 1, "7", "365", "0.5",
)
COMPUTED: Sequence[str] = (
    "sample", "sample.holdout", "sample.a.b", "sample.ü", "sample.email",
    "anniversary.created_at", "anniversary.last_opened_at", "anniversary.last_emailed_at",
    "anniversary.attributes.plan", "anniversary.x", "anniversary.attributes.x", "anniversary.plan.tier",
)
# fmt: on
STATUSES = ("subscribed", "unsubscribed", "bounced", "complained")

_ALWAYS = ("equals", "not_equals", "in", "not_in", "is_set", "is_empty")
_TEXTUAL = ("contains", "not_contains", "starts_with", "ends_with")
_ORDERED = ("gt", "gte", "lt", "lte")
_DATED = (
    "before", "after", "in_last_days", "more_than_days_ago", "exactly_days_ago",
    "in_next_days", "in_last_hours", "more_than_hours_ago", "in_next_hours",
)  # fmt: skip
OPERATORS: Mapping[str, Sequence[str]] = {
    "text": _ALWAYS + _TEXTUAL,
    "choice": _ALWAYS,
    "boolean": _ALWAYS,
    "list": _ALWAYS + _TEXTUAL,
    "ids": _ALWAYS + _TEXTUAL,
    "number": _ALWAYS + _ORDERED,
    "instant": _ALWAYS + _ORDERED + _DATED,
    "attribute": _ALWAYS + _TEXTUAL + _ORDERED + _DATED,
}
FIELDS: Sequence[str] = (*KINDS, *COMPUTED, *("attributes." + key for key in KEYS))


def instant(rng: Random) -> str:
    """Generate an instant in UTC, mostly very close to a boundary."""
    if rng.random() < 0.04:
        return rng.choice(EXTREMES)
    hair = timedelta(microseconds=rng.choice([0, 0, 0, 1, -1, 1_000_000, -1_000_000, rng.randrange(10**12)]))
    return (rng.choice(ANCHORS) + hair).isoformat().replace("+00:00", "Z")


def dated(rng: Random) -> str:
    """Generate a legal date or instant in any of its spellings."""
    if rng.random() < 0.4:
        return rng.choice(DATES)
    text = instant(rng)
    if text in EXTREMES:
        return text
    offset = timedelta(minutes=rng.choice([0, 0, 330, -300, 180, -1439, 1439]))
    local = (datetime.fromisoformat(text) + offset).replace(tzinfo=None)
    minutes = int(offset.total_seconds()) // 60
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    precise = "auto" if local.second or local.microsecond else "minutes"
    return local.isoformat(rng.choice("T "), precise) + rng.choice([zone, zone, "" if offset else "Z"])


def scalar(rng: Random) -> Any:
    """Generate an attribute value that is no array and no object."""
    pick = rng.random()
    if pick < 0.4:
        return rng.choice(TEXTS)
    if pick < 0.65:
        return rng.choice(NUMBERS)
    if pick < 0.75:
        return rng.choice([True, False])
    return dated(rng) if pick < 0.93 else rng.choice(NO_DATES)


def attribute(rng: Random) -> Any:
    """Generate an attribute value of any JSON type but null."""
    pick = rng.random()
    if pick < 0.72:
        return scalar(rng)
    if pick < 0.92:
        odd = [None, [], ["a"], {"a": 1}]
        return [scalar(rng) if rng.random() < 0.85 else rng.choice(odd) for _ in range(rng.randrange(4))]
    return rng.choice([{}, {"a": None}, {"plan": "a"}, {"a": [1, "1"]}])


def contact(rng: Random, n: int, lists: Sequence[str] = ("alpha", "beta", "gamma")) -> dict[str, Any]:
    """Generate the n-th contact in the format of the population; n makes its email unique."""
    prefix = rng.choice(["ada", "ADA", "Zoë", "Zoe\u0308", "a_b", "100%", "ΚΑΙΣ", "İz"])
    created: dict[str, Any] = {"name": f"c{n}", "why": "generated", "email": f"{prefix}.{n}@Example.org"}
    created["id"] = str(UUID(int=rng.getrandbits(128)))
    created |= {"created_at": instant(rng), "updated_at": instant(rng), "status": rng.choice(STATUSES)}
    for field, kind in KINDS.items():
        if field not in created and field != "subscribed" and rng.random() < 0.6:
            created[field] = _stored(rng, field, kind, lists)
    # Two spellings of one key in one body are refused.
    keys = {name_of(key): key for key in rng.sample(KEYS, rng.randrange(len(KEYS)))}.values()
    return created | {"attributes": {key: attribute(rng) for key in keys}}


def _stored(rng: Random, field: str, kind: str, lists: Sequence[str]) -> Any:
    """Generate a value that a catalogued field can hold."""
    if kind == "list":
        names = [text for text in TEXTS if text.strip()]
        return list(dict.fromkeys(rng.choices(names, k=rng.randrange(4))))
    if kind == "ids":
        return rng.sample(lists, rng.randrange(len(lists) + 1))
    if kind == "instant":
        return instant(rng)
    if kind == "text":
        return rng.choice(TEXTS)
    if field.endswith("_score"):
        return rng.choice([0, 0.1, 0.3, 0.30000000000000004, 1, 5, 50, 50.5, 99.5, 100])
    return rng.choice([0, 1, 5, 50, 2**53 - 1, 2**53 - 2] + [50.5, 0.1] * (field == "total_spent"))


def predicate(
    rng: Random, field: str | None = None, operator: str | None = None, ids: Sequence[str] = ()
) -> dict[str, Any]:
    """Generate one legal predicate; `ids` are the ids of existing lists."""
    field = field or rng.choice(list(KINDS) if rng.random() < 0.5 else FIELDS)
    kind = kind_of(field)
    operator = operator or rng.choice(OPERATORS[kind])
    created: dict[str, Any] = {"field": field, "operator": operator}
    if operator in {"is_set", "is_empty"}:
        return created
    if operator in {"in", "not_in"}:
        return created | {
            "operand": [_exact(rng, kind, ids, field) for _ in range(rng.choice([0, 1, 2, 3, 40]))]
        }
    return created | {"operand": _operand(rng, kind, operator, ids, field)}


def _operand(rng: Random, kind: str, operator: str, ids: Sequence[str], field: str) -> Any:
    """Generate an operand that fits a field, its kind and an operator."""
    if "_hours" in operator:
        return rng.choice(HOURS)
    if operator.endswith(("_days", "_ago")):
        return rng.choice(DAYS)
    if operator in {"before", "after"}:
        return dated(rng)
    if operator in _ORDERED:
        return _comparable(rng, kind, field)
    if operator in _TEXTUAL and kind != "ids":
        plain = kind != "attribute" or operator in {"starts_with", "ends_with"}
        value = rng.choice(TEXTS) if plain else scalar(rng)
        # A tag has no white space at its ends, so of a blank operand nothing would be left.
        return "a" if value == "" or (kind == "list" and not name_of(value)) else value
    return _exact(rng, kind, ids, field)


def _comparable(rng: Random, kind: str, field: str) -> Any:
    """Generate an operand that has an order."""
    if field in COMPUTED and rng.random() < 0.9:
        return rng.choice(SAMPLES if field.startswith("sample") else DISTANCES)
    if kind == "instant" or (kind == "attribute" and rng.random() < 0.5):
        return dated(rng)
    texts = [text for text in TEXTS if numeric(text) is not None]
    return rng.choice(texts) if rng.random() < 0.3 else rng.choice(NUMBERS)


def _exact(rng: Random, kind: str, ids: Sequence[str], field: str) -> Any:
    """Generate an operand of equality."""
    if kind == "ids":
        asked = rng.choice([*ids, UNKNOWN_LIST])
        return asked.upper() if rng.random() < 0.3 else asked
    if kind == "number":
        return _comparable(rng, kind, field)
    if kind == "instant":
        return dated(rng)
    choices: dict[str, list[Any]] = {"choice": [*STATUSES, "active"]}
    choices["boolean"] = [True, False, "true", "false"]
    if kind in choices:
        return rng.choice(choices[kind])
    return scalar(rng) if kind == "attribute" else rng.choice(TEXTS)


def every_predicate(rng: Random, ids: Sequence[str] = ()) -> Iterator[dict[str, Any]]:
    """Yield one predicate for every field and every operator it takes."""
    for field in FIELDS:
        for operator in OPERATORS[kind_of(field)]:
            yield predicate(rng, field, operator, ids)


def condition(rng: Random, ids: Sequence[str] = (), depth: int = 4) -> dict[str, Any]:
    """Generate one legal condition, at most `depth` groups deep and three nodes wide, never a draft."""
    pick = rng.random()
    if depth < 1 or pick < 0.25:
        return predicate(rng, ids=ids)
    if pick < 0.4:
        return {"not": condition(rng, ids, depth - 1)}
    nodes = [condition(rng, ids, depth - 1) for _ in range(rng.randint(1, 3))]
    return {rng.choice(["all", "any"]): nodes}


# A pool with an invalid date would test nothing.
assert all(moment(text, "UTC") for text in DATES)
assert not any(moment(text, "UTC") for text in NO_DATES)
