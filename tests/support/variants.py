"""Draws the variants of a test that a run of the whole suite takes, so that each row and each engine stays.

A test that takes databases has a variant for each of them, or for each pair. The test command runs a part of
the variants, which the seed draws; the rows of one test divide the databases among them, so that each
database has a row of it if there are enough. `--full` and `.ci/run` run all variants, and so does a run of a
part of the suite, because whoever works on a module asks about all of it.
"""

from collections.abc import Iterator, Sequence
from random import Random

import pytest

from support.engines import Database

# Stands for the name of a database in the names of tests.
_ANY = "*"


def draw(items: Sequence[pytest.Item], most: int, seed: int) -> list[pytest.Item]:
    """Return the tests that run, in their order: of each row at most `most` variants."""
    tests: dict[str, dict[str, list[pytest.Item]]] = {}
    for item in items:
        rows = tests.setdefault(item.nodeid.partition("[")[0], {})
        rows.setdefault(row_of(item), []).append(item)
    kept = {item for name, rows in tests.items() for item in _draw_rows(name, rows, most, seed)}
    return [item for item in items if item in kept]


def row_of(item: pytest.Item) -> str:
    """Return the name of a test without those of its databases."""
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec is not None else ()
    result = item.nodeid
    for name in sorted((value.name for value in values if isinstance(value, Database)), key=len)[::-1]:
        before, bracket, after = result.partition("[")
        result = before + bracket + after.replace(name, _ANY, 1)
    return result


def _draw_rows(
    name: str, rows: dict[str, list[pytest.Item]], most: int, seed: int
) -> Iterator[pytest.Item]:
    """Yield the variants of the rows of one test: those of a row follow on those of the row before it."""
    rng = Random(f"{seed} variants of {name}")
    drawn = rng.sample(list(rows.values()), len(rows))
    place = rng.randrange(1 << 16)
    for variants in drawn:
        taken = min(most, len(variants))
        yield from (variants[(place + step) % len(variants)] for step in range(taken))
        place += taken
