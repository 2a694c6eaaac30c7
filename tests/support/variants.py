"""Draws what a run of the whole suite leaves out, so that every row and every database keep a part in it.

A test that takes databases has a variant for each of them, or for each pair. The test command runs one
variant of each row; the rows of a test divide the databases among them. Of the rows marked `one_in(N)` it
runs one in N; tests that start many processes are marked `one_in(N, of="a kind")`, and those of a kind are
drawn together. `--full` and `.ci/run` leave out nothing, nor does a run of a part of the suite, because
whoever works on a module asks about all of it.
"""

from collections.abc import Iterator, Sequence
from random import Random

import pytest

from support.engines import Database

# Stands for the name of a database in the names of tests.
_ANY = "*"
# The variants of a row, and the rows of a test or a kind of tests.
_Row = list[pytest.Item]
_Rows = dict[str, _Row]


def draw(items: Sequence[pytest.Item], seed: int) -> list[pytest.Item]:
    """Return the tests that run, in their order."""
    groups: dict[str, _Rows] = {}
    for item in items:
        rows = groups.setdefault(_group_of(item), {})
        rows.setdefault(_row_of(item), []).append(item)
    kept = {item for name, rows in groups.items() for item in _draw_of_group(name, rows, seed)}
    return [item for item in items if item in kept]


def _group_of(item: pytest.Item) -> str:
    """Return what a test is drawn with: the kind that its mark names, else its own rows."""
    mark = item.get_closest_marker("one_in")
    kind = mark.kwargs.get("of") if mark is not None else None
    return str(kind or item.nodeid.partition("[")[0])


def _row_of(item: pytest.Item) -> str:
    """Return the name of a test without those of its databases."""
    callspec = getattr(item, "callspec", None)
    values = callspec.params.values() if callspec is not None else ()
    test, bracket, row = item.nodeid.partition("[")
    for name in sorted((value.name for value in values if isinstance(value, Database)), key=len)[::-1]:
        row = row.replace(name, _ANY, 1)
    return test + bracket + row


def _draw_of_group(name: str, rows: _Rows, seed: int) -> Iterator[pytest.Item]:
    """Yield one variant of each row that is drawn; the next row takes the next variant."""
    rng = Random(f"{seed} {name}")
    shares = [_share_of(variants) for variants in rows.values()]
    place = rng.randrange(1 << 16)
    for share in sorted(set(shares)):
        alike = [variants for variants, own in zip(rows.values(), shares, strict=True) if own == share]
        for variants in rng.sample(alike, -(-len(alike) // share)):
            yield variants[place % len(variants)]
            place += 1


def _share_of(row: _Row) -> int:
    mark = row[0].get_closest_marker("one_in")
    return int(mark.args[0]) if mark is not None else 1
