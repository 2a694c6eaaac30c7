"""A sample of the rows of the spec that leaves out no kind of rule.

Explanations, dry runs and static segments use the same compilers as members do, and every run tests the
members of every row. Of each stratum (operator, kind of field, and whether contacts with or without a value
match) the sample has at least one row, and in addition a random part of all others.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from random import Random
from typing import Any

from support import oracle, spec_data
from support.spec_data import Acceptance, Row

Stratum = tuple[str, str, str]
GROUPS = ("all", "any", "not")


@cache
def sample(share: int, seed: int) -> tuple[Row, ...]:
    """Return one in `share` rows, drawn by the seed, and at least one of each stratum, in the rows' order."""
    rng = Random(f"{seed} rows of truth")
    rows = spec_data.rows()
    drawn = rng.sample(range(len(rows)), len(rows))
    chosen = set(drawn[: -(-len(rows) // share)])
    known = {stratum for number in chosen for stratum in strata(rows[number])}
    for number in drawn:
        if new := strata(rows[number]) - known:
            known |= new
            chosen.add(number)
    return tuple(rows[number] for number in sorted(chosen))


def sample_acceptances(share: int, seed: int) -> tuple[Acceptance, ...]:
    """Return one in `share` conditions at the limit of the accepted ones, drawn by the seed."""
    conditions = spec_data.acceptances()
    return tuple(Random(f"{seed} acceptances").sample(conditions, -(-len(conditions) // share)))


def strata(row: Row) -> frozenset[Stratum]:
    """Return the strata of a row: those of its predicates, and that of its groups."""
    return frozenset(_strata(row.condition, row, depth=0))


def _strata(condition: Mapping[str, Any], row: Row, depth: int) -> Iterator[Stratum]:
    for group in GROUPS:
        if group in condition:
            inner = condition[group]
            yield group, f"depth {min(depth, 3)}", "empty" if inner == [] else "filled"
            for item in inner if isinstance(inner, list) else [inner]:
                yield from _strata(item, row, depth + 1)
    if "field" in condition:
        kind = oracle.KINDS.get(condition["field"], condition["field"].partition(".")[0])
        for shape in _shapes(condition, row):
            yield condition["operator"], kind, shape


def _shapes(condition: Mapping[str, Any], row: Row) -> Iterator[str]:
    """Return whether contacts with and without a value are members, and where the day matters."""
    yield f"{type(condition.get('operand')).__name__} operand"
    yield "in UTC" if row.zone == spec_data.DEFAULT_ZONE else "in another zone"
    for name, contact in spec_data.population().contacts.items():
        has = "missing" if _value(contact, condition["field"]) is None else "present"
        yield f"{has} {'in' if name in row.members else 'out'}"


def _value(contact: Mapping[str, Any], field: str) -> Any:
    head, _, key = field.partition(".")
    if head == "events":
        return contact.get(head)
    return contact.get(head, {}).get(key) if key else contact.get(head)
