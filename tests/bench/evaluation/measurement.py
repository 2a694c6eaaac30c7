"""Measures the evaluators of conditions with the realistic mix, and with hostile conditions."""

import gc
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from bench.evaluation import hostile, mix
from bench.evaluation.changes import EDITS, MIXED, Edit, changes_of
from bench.evaluation.people import people
from bench.evaluation.sides import UTC, Bulk, Generated, Index, Nodes, Side
from bench.evaluation.trials import Trial, compare
from bench.membership.report import format_number, format_time, table
from diglot.conditions.contact_view import ContactView
from diglot.model.contact_views import NO_SURROUNDINGS, view_of
from diglot.model.contacts import Contact

# Fewer rounds for many segments, whose compiled functions take milliseconds for each contact.
ROUNDS: Final = 5
FEW_ROUNDS: Final = 2
SIZES: Final = (1_000, 10_000)
# Above this number of segments nothing is compiled, because that takes half a minute.
MOST_GENERATED: Final = 20_000
_FEW: Final = 30
_MANY: Final = 200
# The last is a slice of an import.
_BLOCKS: Final = (50, 250, 1_000)
# Masks alone, of which no condition is listed.
_NO_LIST: Final = "index, no list"
_ONE_CONTACT: Final = ("generated", "index", _NO_LIST)
Make = Callable[[Nodes], Side]
MAKERS: Final[dict[str, Make]] = {"generated": Generated, "index": Index, "bulk": Bulk}


def run(sizes: Sequence[int], *, with_hostile: bool) -> None:
    """Print the tables."""
    for size in sizes:
        print(f"\n## {size:,} segments\n", flush=True)
        for part in (_one_contact, _one_change, _blocks, _builds):
            print(f"{part(size)}\n", flush=True)
    if with_hostile:
        print(f"\n## Hostile conditions\n\n{_hostile()}\n", flush=True)


def _sides(size: int, *names: str) -> dict[str, Side]:
    nodes = mix.conditions(size)
    return {name: MAKERS[name](nodes) for name in names if name != "generated" or size <= MOST_GENERATED}


def _views(contacts: Sequence[Contact]) -> list[ContactView]:
    return [view_of(contact, NO_SURROUNDINGS, UTC) for contact in contacts]


def _row(name: str, spent: dict[str, float], count: int, sides: Sequence[str]) -> list[str]:
    """Return a row of a table: time for each contact, and how many times the first side takes."""
    times = [format_time(spent[side] / count) if side in spent else "-" for side in sides]
    first = spent.get(sides[0])
    ratios = [
        format_number(first / spent[side]) if first is not None and side in spent else "-"
        for side in sides[1:]
    ]
    return [name, *times, *ratios]


def _table(what: str, sides: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return table((what, *sides, *(f"{sides[0]} / {side}" for side in sides[1:])), rows)


def _one_contact(size: int) -> str:
    """Compare one contact against all segments: values that were never seen, and seen before."""
    sides = _sides(size, "generated", "index")
    count, rounds = (_MANY, ROUNDS) if size <= SIZES[0] else (_FEW, FEW_ROUNDS)
    parts, unseen = _parts(count, rounds, 0), _parts(count, rounds, rounds)

    def trial(side: Side, *, seen: bool) -> Trial:
        def prepare(turn: int) -> Callable[[], Any]:
            return partial(side.members, _views(parts[0 if seen else turn]))

        return prepare

    def normalize(found: list[list[int]]) -> list[list[int]]:
        return [sorted(numbers) for numbers in found]

    index = sides["index"]
    assert isinstance(index, Index)
    rows = []
    for name, seen in (("never seen", False), ("seen before", True)):
        trials = {key: trial(side, seen=seen) for key, side in sides.items()}
        spent = compare(name, trials, rounds, normalize)
        asked = parts[:1] * rounds if seen else unseen
        spent |= compare(name, {_NO_LIST: _masks_of(index, asked)}, rounds)
        rows.append(_row(f"one contact, {name}", spent, count, _ONE_CONTACT))
    return _table("one contact against all", _ONE_CONTACT, rows)


def _parts(count: int, rounds: int, first: int) -> list[list[Contact]]:
    """Return a number of contacts for each round, others for each number of the first."""
    return [list(people(count, 1 + count * turn, turn)) for turn in range(first, first + rounds)]


def _masks_of(index: Index, parts: Sequence[Sequence[Contact]]) -> Trial:
    return lambda turn: partial(index.masks, _views(parts[turn]))


def _one_change(size: int) -> str:
    """Compare changes of one field: values that were never seen, and seen before."""
    sides = _sides(size, "generated", "index")
    count, rounds = (_MANY, ROUNDS) if size <= SIZES[0] else (_FEW, FEW_ROUNDS)
    parts = _parts(count, rounds, 0)

    def trial(side: Side, edit: Edit, *, seen: bool) -> Trial:
        def prepare(turn: int) -> Callable[[], Any]:
            seed = 0 if seen else turn
            return partial(side.moves, changes_of(parts[seed], edit, seed))

        return prepare

    index = sides["index"]
    assert isinstance(index, Index)

    def masks(edit: Edit) -> Trial:
        return lambda _: partial(index.move_masks, changes_of(parts[0], edit, 0))

    rows = []
    for name, edit in EDITS.items():
        for state, seen in (("never seen", False), ("seen before", True)):
            trials = {key: trial(side, edit, seen=seen) for key, side in sides.items()}
            spent = compare(name, trials, rounds)
            if seen:
                spent |= compare(name, {_NO_LIST: masks(edit)}, rounds)
            rows.append(_row(f"{name}, {state}", spent, count, _ONE_CONTACT))
    return _table("one change", _ONE_CONTACT, rows)


def _blocks(size: int) -> str:
    """Compare blocks of contacts: new ones, and changes of one field or of any."""
    names = ("generated", "index", "bulk")
    sides = _sides(size, *names)
    blocks: Sequence[int] = _BLOCKS
    rounds, edits = ROUNDS, dict[str, Edit]({**EDITS, **MIXED})
    if size > SIZES[0]:
        blocks, rounds, edits = _BLOCKS[1:2], FEW_ROUNDS, dict(MIXED)
    rows = []
    for count in blocks:
        parts = [list(people(count, 1 + count * turn, turn + 100)) for turn in range(rounds)]
        spent = compare("new", {name: _created(side, parts) for name, side in sides.items()}, rounds)
        rows.append(_row(f"{count} new", spent, count, names))
        for name, edit in edits.items():
            trials = {key: _changed(side, parts, edit) for key, side in sides.items()}
            rows.append(_row(f"{count} changes: {name}", compare(name, trials, rounds), count, names))
    return _table("contacts in blocks, for each", names, rows)


def _created(side: Side, parts: Sequence[Sequence[Contact]]) -> Trial:
    return lambda turn: partial(side.members_by_condition, _views(parts[turn]))


def _changed(side: Side, parts: Sequence[Sequence[Contact]], edit: Edit) -> Trial:
    return lambda turn: partial(side.moves, changes_of(parts[turn], edit, turn))


def _builds(size: int) -> str:
    """Compare how long it takes to build each side and to add a segment, and its memory."""
    nodes = mix.conditions(size + ROUNDS)
    first = {number: node for number, node in nodes.items() if number <= size}
    names = [name for name in MAKERS if name != "generated" or size <= MOST_GENERATED]
    rounds = 1 if size > MOST_GENERATED else 2

    def build(make: Make) -> Trial:
        return lambda _: lambda: make(first)

    spent = compare("build", {name: build(MAKERS[name]) for name in names}, rounds, lambda _: None)
    sides = {name: MAKERS[name](first) for name in names}

    def add(side: Side) -> Trial:
        def prepare(turn: int) -> Callable[[], Any]:
            number = size + turn + 1
            return partial(side.add, first | {number: nodes[number]}, number)

        return prepare

    added = compare("add", {name: add(side) for name, side in sides.items()}, ROUNDS, lambda _: None)
    rows = [
        [name, format_time(spent[name]), format_time(added[name]), f"{_memory(name, size):.0f} MB"]
        for name in names
    ]
    return table(("side", "build", "add a segment", "memory"), rows)


def _memory(name: str, size: int) -> float:
    """Return by how many megabytes a new process grows that builds a side and asks it about contacts."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(_grow, name, size).result()


def _grow(name: str, size: int) -> float:
    nodes, views = mix.conditions(size), _views(list(people(_MANY)))
    gc.collect()
    before = _resident()
    side = MAKERS[name](nodes)
    side.members(views[:_FEW] if size > SIZES[0] else views)
    gc.collect()
    return (_resident() - before) / 1e6


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def _hostile() -> str:
    rows = []
    for case in hostile.cases():
        made: dict[str, Side] = {}
        names = [name for name in MAKERS if name != "generated" or case.is_generated]
        builds = compare(case.name, {name: _build(case, name, made) for name in names}, 1, lambda _: None)
        spent = compare(
            case.name,
            {name: _ask(case, made[name]) for name in names},
            ROUNDS,
            lambda found: [sorted(numbers) for numbers in found],
        )
        count = len(case.contacts)
        rows.append(
            [
                case.name,
                *(format_time(builds[name]) if name in builds else "-" for name in MAKERS),
                *(format_time(spent[name] / count) if name in spent else "-" for name in MAKERS),
            ]
        )
    kinds = ("build", "a contact")
    return table(("case", *(f"{name}, {kind}" for kind in kinds for name in MAKERS)), rows)


def _build(case: hostile.Hostile, name: str, made: dict[str, Side]) -> Trial:
    def build() -> None:
        made[name] = MAKERS[name](case.nodes)

    return lambda _: build


def _ask(case: hostile.Hostile, side: Side) -> Trial:
    def prepare(_turn: int) -> Callable[[], Any]:
        views = case.views()
        return lambda: side.members(views)

    return prepare
