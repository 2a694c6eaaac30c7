"""What SQL says of events is what the application says, whatever JSON clients send.

Plain events need SQL only.
"""

import json
import sys
from collections.abc import Sequence
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pyroaring import BitMap
from sqlalchemy import Text, literal_column, select

from diglot.conditions import text, tree
from diglot.conditions.computed.event_windows import lower_condition
from diglot.conditions.events.fields import is_history_field
from diglot.model.events import EventKind
from diglot.storage.contacts import event_matches
from diglot.storage.contacts.event_matches import EventMatches, find_matching
from diglot.storage.predicates.event_rules import ALIASES
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.sqlite_dialect import SQLITE, _json_arrow, _json_pair
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import WriteUnit, lock_workspace
from support import canonical, populations, random_conditions
from support.populations import Crowd
from support.reporting import SEED, Tally

NOW = random_conditions.NOW
AT = populations.micros(NOW)
HOUR = 3_600_000_000
KEYS = ("plan", "price", "a.b", "revenue", "OK", "machine_")
# The value of a property as JSON, plain or not.
SPELLINGS = (
    *(
        '"pro"',
        '"Pro"',
        '"a pro plan"',
        '"pr\\u006f"',
        '"caf\u00e9"',
        '"cafe\u0301"',
        '"\ufb01x"',
        '""',
        '" "',
    ),
    *('"\u00a0"', '"true"', "true", "false", "null", "[]", "[ ]", "{}", '{"plan": 1}', '["pro", 5]', "[[]]"),
    *('"]"', '"plan"', "5", "5.0", "-0", "0.1", "0.10", "1e2", "1E2", "100", "49.99", "49.990000000000002"),
    *("0.1000000000000000055", "9007199254740993", "123456789012345", "1234567890123456", "1e300"),
    *('"O\u212a"', '"OK"', '"\u00a05"', '"5\u00a0"', '"\u00a0pro"', '",5"', '"/5"', '".5"'),
    *("99999999.5", "-2.12345", "1e-320", '"5"', '"5.0"', '"+5"', '"0.1"', '"2026-01-01"', '"-"', '"5 pro"'),
    *('"2026-01-01T00:00:00Z"', '"\\"pro\\""'),
)
TEXTS = ("pro", "PRO", "OK", "", "true", "5", "caf\u00e9", "fix", 'p"', "]", "5.0", "plan")
NUMBERS = (5, 0.1, 100, 49.99, 0, -2.12345, 2**53, 2**53 + 1, 1e300, 99999999.5, 0.2)
OPERATORS = (
    *("equals", "not_equals", "contains", "starts_with", "ends_with"),
    *("in", "gt", "lte", "is_set", "after"),
)
# Predicates that are compared in one transaction.
_READS = 20
TAILS = ("", " ", "\u3000")


def spell_body(rng: Random, kind: str) -> str:
    """Write a body as a client may: with odd spaces, other spellings of names, and names that come twice."""
    members = []
    for key in rng.choices(KEYS, k=rng.randrange(4)):
        respelled = rng.choice(TAILS) + key.replace("K", "\u212a") + rng.choice(TAILS)
        name = rng.choice((key, key, key, key, respelled))
        members.append(json.dumps(name, ensure_ascii=rng.random() < 0.2) + rng.choice((":", ": ", " : ")))
        members[-1] += rng.choice(SPELLINGS)
    if rng.random() < 0.2:
        members.append('"machine":' + rng.choice(("true", "false", '"true"')))
    properties = "{" + rng.choice((",", ", ", ",\n ")).join(members) + "}"
    if kind == "view":
        return properties
    if kind == "conversion":
        revenue = rng.choice(("5.0", "49.99", "0.1"))
        return f'{{"revenue":{revenue},"currency":"EUR","metadata":{properties}}}'
    return rng.choice((f'{{"data":{properties}}}', f'{{"data": {properties}, "plan": "pro"}}', "{}"))


def rule(rng: Random) -> dict[str, Any]:
    """Write a rule about a property."""
    field = rng.choice(KEYS[:-1])
    operator = rng.choice(OPERATORS)
    if operator == "is_set":
        return {"field": field, "operator": operator}
    if operator in {"gt", "lte"}:
        return {"field": field, "operator": operator, "operand": rng.choice(NUMBERS)}
    if operator == "after":
        return {"field": field, "operator": operator, "operand": "2025-01-01"}
    if operator in {"starts_with", "ends_with"} or (operator == "contains" and rng.random() < 0.8):
        return {"field": field, "operator": operator, "operand": rng.choice([one for one in TEXTS if one])}
    values = (*TEXTS, *NUMBERS, True, False)
    if operator == "contains":
        return {"field": field, "operator": operator, "operand": rng.choice((True, *NUMBERS))}
    operand = rng.choices(values, k=rng.choice((0, 1, 3, 30))) if operator == "in" else rng.choice(values)
    return {"field": field, "operator": operator, "operand": operand}


def predicate(rng: Random) -> dict[str, Any]:
    """Write a predicate about events that match rules."""
    where = {rng.choice(("all", "any")): [rule(rng) for _ in range(rng.choice((1, 1, 2)))]}
    window = rng.choice(("", ".1h", ".30d"))
    part = rng.choice(("count", "sum.price", "sum.revenue"))
    operand = rng.choice((0, 1, 2, 5, 49.99, 0.2, 100, -2.12345))
    made = {"field": f"events.seen.{part}{window}", "operator": rng.choice(("gte", "equals", "lt", "gt"))}
    if rng.random() < 0.2:
        made = {"field": f"events.seen.{rng.choice(('first_at', 'last_at'))}", "operator": "in_last_days"}
        operand = 1
    return made | {"operand": operand, "where": where}


def people_of(rng: Random, count: int) -> dict[str, Any]:
    """Create contacts without events."""
    return {f"p{n}": random_conditions.contact(rng, n, ()) for n in range(count)}


async def load(engine: Engine, rng: Random, people: int) -> Crowd:
    """Load contacts, each with some events."""
    crowd = await populations.load(engine, people_of(rng, people), {}, "UTC", NOW)

    async def add(unit: WriteUnit) -> None:
        for contact in crowd.contacts.values():
            for _ in range(rng.randrange(4)):
                kind = rng.choice(("other", "view", "conversion"))
                body, at = spell_body(rng, kind), AT - rng.choice((0, 1, HOUR, HOUR + 1, 40 * 24 * HOUR))
                await populations.store_event(unit, contact, "seen", (EventKind(kind), body), at)

    await engine.write(lock_workspace(crowd.workspace, lambda: AT, add))
    return crowd


def leaves_of(written: Any) -> list[tree.Predicate]:
    """Return the predicates on single events that a condition is lowered to."""
    predicates = tree.predicates_of(lower_condition(canonical.read(written)))
    return [one for one in predicates if is_history_field(one.field)]


async def test_sql_agrees_with_the_application(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """Whether all events are read in the order of arrival, or those of the name by an index."""
    rng = Random(pytestconfig.stash[SEED])
    trees = pytestconfig.getoption("random_trees")
    crowd = await load(engine, rng, 3 * pytestconfig.getoption("random_contacts"))
    compared = 0

    async def compare(tenant: Tenant) -> None:
        nonlocal compared
        for _ in range(_READS):
            written = predicate(rng)
            leaves = leaves_of(written)
            monkeypatch.setattr(event_matches, "_LOOK_UP_COST", rng.choice((0, 8)))
            found = await find_matching(tenant, leaves, AT, ZoneInfo("UTC"))
            expected = await EventMatches(leaves, AT, ZoneInfo("UTC")).find(tenant) if leaves else []
            assert list(found) == list(expected), json.dumps(written)
            compared += len(leaves) * len(crowd.contacts)

    for _ in range(trees // (8 * _READS)):
        await engine.read(bind_workspace(crowd.workspace, compare))
    tally("contacts with events of any JSON, judged by SQL", "all", compared)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"field": "plan", "operator": "equals", "operand": "pro"}, 10),
        ({"field": "plan", "operator": "contains", "operand": "R"}, 10),
        ({"field": "price", "operator": "gt", "operand": 49.98}, 10),
        ({"field": "price", "operator": "equals", "operand": 49.99}, 10),
        ({"field": "price", "operator": "lt", "operand": 49.99}, 0),
        ({"field": "paid", "operator": "equals", "operand": True}, 10),
    ],
)
async def test_sql_alone_decides_plain_events(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, written: Any, expected: int
) -> None:
    """No contact is left to the application, nor is a sum of amounts with cents."""
    crowd = await populations.load(engine, people_of(Random(0), 12), {}, "UTC", NOW)
    body = '{"data": {"plan": "pro", "price": 49.99, "name": "Caf\u00e9\u00a0\u212a", "paid": true}}'

    async def add(unit: WriteUnit) -> None:
        for contact in list(crowd.contacts.values())[:10]:
            await populations.store_event(unit, contact, "seen", (EventKind.OTHER, body), AT)

    await engine.write(lock_workspace(crowd.workspace, lambda: AT, add))

    async def look_at(_self: EventMatches, _tenant: Tenant, pks: Sequence[int]) -> Sequence[BitMap]:
        assert not pks
        return [BitMap()]

    monkeypatch.setattr(EventMatches, "look_at", look_at)
    for field, operator in (("events.seen.count", "gte"), ("events.seen.sum.price.1d", "gt")):
        leaves = leaves_of({"field": field, "operator": operator, "operand": 1, "where": {"all": [written]}})

        async def count(tenant: Tenant, leaves: Sequence[tree.Predicate] = leaves) -> int:
            (found,) = await find_matching(tenant, leaves, AT, ZoneInfo("UTC"))
            return len(found)

        assert await engine.read(bind_workspace(crowd.workspace, count)) == expected


@pytest.mark.parametrize(
    ("operator", "operands"),
    [
        # Other words of JSON have the part.
        ("contains", ("r", "s")),
        ("in", (["5", "caf\u00e9"], ["a", "b", *range(20)])),
        # Another character becomes K in the normal form.
        ("equals", ("NO", "OK")),
    ],
)
async def test_the_sql_of_one_rule_is_not_that_of_a_similar_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, operator: str, operands: Sequence[Any]
) -> None:
    """The shape of a rule has all that its SQL depends on but bound values."""
    monkeypatch.setattr(event_matches, "MIN_EVENTS", 0)
    values = ("true", "false", '"7"', '"caf\u00e9"', '"O\u212a"')
    crowd = await populations.load(engine, people_of(Random(0), len(values)), {}, "UTC", NOW)

    async def add(unit: WriteUnit) -> None:
        for value, contact in zip(values, crowd.contacts.values(), strict=True):
            body = f'{{"paid":{value}}}'
            await populations.store_event(unit, contact, "seen", (EventKind.VIEW, body), AT)

    await engine.write(lock_workspace(crowd.workspace, lambda: AT, add))
    for operand in operands:
        written = {"field": "paid", "operator": operator, "operand": operand}
        leaves = leaves_of(
            {"field": "events.seen.count", "operator": "gte", "operand": 1, "where": {"all": [written]}}
        )

        async def compare(tenant: Tenant, leaves: Sequence[tree.Predicate] = leaves) -> None:
            found = await find_matching(tenant, leaves, AT, ZoneInfo("UTC"))
            assert list(found) == list(await EventMatches(leaves, AT, ZoneInfo("UTC")).find(tenant))

        await engine.read(bind_workspace(crowd.workspace, compare))


def test_an_old_sqlite_spells_values_the_same() -> None:
    """Without the operator of newer versions; but for the brackets at the end of arrays."""
    connection = sqlite3.connect(":memory:")
    body, path = (literal_column(name, Text()) for name in ("?1", "?2"))
    for spelled in SPELLINGS:
        values = (f'{{"data": {{"k": {spelled}}}}}', '$."data"."k"')
        pair, arrow = (
            connection.execute(
                str(select(spell(body, path)).compile(dialect=SQLITE.dialect)), values
            ).fetchone()[0]
            for spell in (_json_pair, _json_arrow)
        )
        assert pair == arrow.rstrip("]")
    connection.close()


def test_no_other_character_is_part_of_a_name_in_ascii() -> None:
    """All but the listed ones stay beyond ASCII in the normal form of a name."""
    for code in range(128, sys.maxunicode + 1):
        if 0xD800 <= code <= 0xDFFF:
            continue
        normal = text.normalize_name(f"k{chr(code)}")
        assert not normal.isascii() or chr(code) in ALIASES, hex(code)
