"""Conditions that a client might make in order to slow others down, with the contacts that suit them."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from string import ascii_lowercase
from typing import Any

from bench.evaluation.sides import UTC, Nodes
from diglot.conditions.contact_view import ContactView
from support import canonical

Rule = dict[str, Any]
RULES = 250
# As in a slice of an import.
PEOPLE = 250


@dataclass(frozen=True)
class Hostile:
    """A case: its conditions, and the fields and attributes of its contacts.

    `is_generated` says whether it can be compiled to functions within seconds.
    """

    name: str
    nodes: Nodes
    contacts: list[tuple[dict[str, Any], dict[str, Any]]]
    is_generated: bool = True

    def views(self) -> list[ContactView]:
        """Return views of the contacts that nobody has read."""
        return [ContactView(fields, attributes, (), UTC) for fields, attributes in self.contacts]


def cases() -> Iterator[Hostile]:
    """Yield the cases."""
    rng = Random(7)
    yield from _parts(rng)
    for segments in (20, 100):
        yield _wide(segments)
    yield _numbers("equals", "400 x 250 `not equals` on one number, any", "any", rng)
    yield _numbers("gte", "400 x 250 `gte` on one number, all", "all", rng)
    repeated = {n: canonical.read(_rule("first_name", "contains", "a" * n)) for n in range(1, 1_001)}
    yield Hostile(
        "contains a, aa, ... 1,000 of them, 100 x a", repeated, [({"first_name": "a" * 100}, {})] * PEOPLE
    )


def _rule(field: str, operator: str, operand: Any) -> Rule:
    return {"field": field, "operator": operator, "operand": operand}


def _word(rng: Random, length: int) -> str:
    return "".join(rng.choices(ascii_lowercase, k=length))


def _parts(rng: Random) -> Iterator[Hostile]:
    nodes = {
        n: canonical.read(_rule("company", "contains", _word(rng, rng.randint(3, 6)) + str(n)))
        for n in range(10_000)
    }
    for length in (12, 100):
        people: list[tuple[dict[str, Any], dict[str, Any]]] = [
            ({"company": _word(rng, length)}, {}) for _ in range(PEOPLE)
        ]
        yield Hostile(f"10,000 distinct `contains`, texts of {length}", nodes, people)


def _wide(segments: int) -> Hostile:
    nodes = {
        n: canonical.read(
            {
                "all" if n % 2 else "any": [
                    _rule(f"attributes.k{n}_{m}", "equals", m) if m % 2 else _negated(n, m)
                    for m in range(RULES)
                ]
            }
        )
        for n in range(segments)
    }
    people: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {f"k{n}_{m}": m for m in range(0, 40, n % 3 + 1)}) for n in range(PEOPLE)
    ]
    return Hostile(f"{segments} x 250 rules on distinct attributes", nodes, people, segments == 20)


def _negated(segment: int, rule: int) -> Rule:
    return {"not": _rule(f"attributes.k{segment}_{rule}", "gte", rule)}


def _numbers(operator: str, name: str, mode: str, rng: Random) -> Hostile:
    rules = {
        n: [_rule("total_spent", operator, rng.randrange(1_000_000)) for _ in range(RULES)]
        for n in range(400)
    }
    nodes = {
        n: canonical.read({mode: [{"not": rule} if operator == "equals" else rule for rule in found]})
        for n, found in rules.items()
    }
    people: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"total_spent": rng.randrange(1_000_000)}, {}) for _ in range(PEOPLE)
    ]
    return Hostile(name, nodes, people, is_generated=False)
