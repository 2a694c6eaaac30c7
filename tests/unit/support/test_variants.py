"""A draw keeps each row once, divides the rows among the databases, and is the seed's alone."""

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from support.engines import DATABASES
from support.variants import draw

NAMES = [database.name for database in DATABASES]


@dataclass(frozen=True)
class Item:
    """What a draw reads of a test."""

    nodeid: str
    callspec: Any = field(compare=False, default=None)
    share: int | None = field(compare=False, default=None)
    of: str | None = field(compare=False, default=None)

    def get_closest_marker(self, name: str) -> Any:
        assert name == "one_in"
        return None if self.share is None else SimpleNamespace(args=(self.share,), kwargs={"of": self.of})


def on_databases(test: str, *rows: str) -> list[Item]:
    """Return the variants of rows, on each database."""
    return [
        Item(f"{test}[{database.name}-{row}]", SimpleNamespace(params={"database": database, "row": row}))
        for database in DATABASES
        for row in rows
    ]


def drawn(items: list[Item], seed: int) -> list[str]:
    """Return the names of the tests that run."""
    return [item.nodeid for item in draw(cast("list[pytest.Item]", items), seed)]


@pytest.mark.parametrize("seed", range(5))
def test_a_row_runs_on_one_database(seed: int) -> None:
    """Every row stays, and so does every database; the order stays, too."""
    items = on_databases("a.py::test_a", *map(str, range(8)))
    kept = drawn(items, seed)
    # The name of one database may begin with that of another.
    tests, rows = zip(*((test, row) for test, _, row in (name.rpartition("-") for name in kept)), strict=True)
    assert sorted(rows) == [f"{row}]" for row in range(8)]
    counts = [tests.count(f"a.py::test_a[{one}") for one in NAMES]
    assert max(counts) - min(counts) <= 1
    assert kept == [item.nodeid for item in items if item.nodeid in kept]


@pytest.mark.parametrize("seed", range(5))
def test_pairs_of_databases_are_variants(seed: int) -> None:
    """A test from one database into another runs on one pair, and several rows on all pairs."""
    items = [
        Item(f"a.py::test_a[into {into.name}-{of.name}-{row}]", SimpleNamespace(params={"a": into, "b": of}))
        for into in DATABASES
        for of in DATABASES
        for row in range(len(DATABASES) ** 2)
    ]
    kept = drawn(items, seed)
    assert len(kept) == len({name.rpartition("-")[0] for name in kept}) == len(DATABASES) ** 2


@pytest.mark.parametrize("seed", range(5))
def test_marked_rows_are_drawn(seed: int) -> None:
    """One row in so many of the marked ones runs, and all of the others."""
    marked = [Item(f"a.py::test_a[{row}]", share=3) for row in range(7)]
    others = [Item("a.py::test_a[always]"), Item("a.py::test_b")]
    kept = drawn([*marked, *others], seed)
    assert len(kept) == 3 + 2
    assert {other.nodeid for other in others} <= set(kept)


@pytest.mark.parametrize("seed", range(5))
def test_tests_of_a_kind_are_drawn_together(seed: int) -> None:
    """One test in so many of a kind runs, and none of them is left out by all seeds."""
    of_a_kind = [Item(f"a.py::test_{number}", share=2, of="stops") for number in range(5)]
    others = [Item("b.py::test_0", share=2), Item("b.py::test_1", share=2)]
    kept = drawn([*of_a_kind, *others], seed)
    assert len([name for name in kept if name.startswith("a.py")]) == 3
    assert kept[-2:] == ["b.py::test_0", "b.py::test_1"]


@pytest.mark.parametrize(
    "items",
    [
        lambda: on_databases("a.py::test_a", *map(str, range(20))),
        lambda: [Item(f"a.py::test_a[{row}]", share=4) for row in range(40)],
    ],
    ids=["databases", "rows"],
)
def test_other_seeds_draw_others(items: Callable[[], list[Item]]) -> None:
    """A seed draws the same in each process; several runs together run all."""
    assert drawn(items(), 1) == drawn(items(), 1) != drawn(items(), 2)
    union = {name for seed in range(60) for name in drawn(items(), seed)}
    assert union == {item.nodeid for item in items()}
