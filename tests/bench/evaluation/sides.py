"""The evaluators that are compared, in one shape."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from bench.data import NOW
from bench.evaluation.generated import Evaluators
from diglot.conditions import tree
from diglot.conditions.bulk.blocks import ContactBlock
from diglot.conditions.bulk.evaluator import BulkEvaluator, MaskChanges
from diglot.conditions.contact_view import ContactView
from diglot.conditions.differences import Differences
from diglot.conditions.index.condition_index import ConditionIndex
from diglot.conditions.index.masks import select_items

UTC: Final = ZoneInfo("UTC")
Nodes = Mapping[int, tree.Node]


@dataclass(frozen=True)
class Change:
    """A contact before and after a change of some fields."""

    old: ContactView
    new: ContactView
    fields: frozenset[str]


# Who enters and leaves: places of contacts by condition.
Moves = tuple[dict[int, list[int]], dict[int, list[int]]]


class Side(Protocol):
    """An evaluator of conditions."""

    def add(self, nodes: Nodes, number: int) -> "Side":
        """Return the evaluator of conditions of which one was added; it takes over what it can."""

    def members(self, views: Sequence[ContactView]) -> list[list[int]]:
        """Return the conditions that each contact matches, one contact after the other."""

    def members_by_condition(self, views: Sequence[ContactView]) -> dict[int, list[int]]:
        """Return the places of the contacts that match each condition."""

    def moves(self, changes: Sequence[Change]) -> Moves:
        """Return who enters and leaves each condition."""


class Generated:
    """Compiled functions of groups of conditions, and of the conditions that a change may affect."""

    def __init__(self, nodes: Nodes, earlier: "Generated | None" = None) -> None:
        self.evaluators: Evaluators = Evaluators(nodes, UTC, None if earlier is None else earlier.evaluators)
        self.evaluate = self.evaluators.compile(self.evaluators.all_numbers)
        self.by_field = tree.build_index(nodes, tree.fields_of)

    def add(self, nodes: Nodes, number: int) -> "Generated":
        """Return the evaluator of conditions of which one was added."""
        del number
        return Generated(nodes, self)

    def members(self, views: Sequence[ContactView]) -> list[list[int]]:
        """Return the conditions that each contact matches."""
        return [self.evaluate(view, NOW) for view in views]

    def members_by_condition(self, views: Sequence[ContactView]) -> dict[int, list[int]]:
        """Return the places of the contacts that match each condition."""
        return _by_condition(self.members(views))

    def moves(self, changes: Sequence[Change]) -> Moves:
        """Evaluate the conditions that mention a changed field, before and after."""
        entered, left = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
        for place, change in enumerate(changes):
            evaluate = self._of_fields(change.fields)
            before, after = set(evaluate(change.old, NOW)), set(evaluate(change.new, NOW))
            _record(place, after - before, before - after, (entered, left))
        return entered, left

    def _of_fields(self, fields: Collection[str]) -> Callable[[ContactView, int], list[int]]:
        numbers = frozenset().union(*(self.by_field.get(name, ()) for name in fields))
        return self.evaluators.find(numbers) or self.evaluators.compile(numbers)


class Index:
    """The index of conditions, which is asked about one contact at a time."""

    def __init__(
        self, nodes: Nodes, earlier: "Index | None" = None, differences: Differences | None = None
    ) -> None:
        known = None if earlier is None else earlier.index
        self.index: ConditionIndex = ConditionIndex(nodes, UTC, known, differences)
        self.selection = self.index.build()

    def add(self, nodes: Nodes, number: int) -> "Index":
        """Return the evaluator of conditions of which one was added."""
        return Index(nodes, self, Differences(frozenset({number}), frozenset()))

    def members(self, views: Sequence[ContactView]) -> list[list[int]]:
        """Return the conditions that each contact matches."""
        return [self.selection.members(view, NOW) for view in views]

    def masks(self, views: Sequence[ContactView]) -> None:
        """Find what each contact matches, and list nothing."""
        for view in views:
            for matcher, _ in self.selection._parts:
                matcher.members(view, NOW)

    def move_masks(self, changes: Sequence[Change]) -> None:
        """Find what each change moves, and list nothing."""
        for change in changes:
            for matcher, _ in self.selection._parts:
                matcher.change(change.old, change.new, change.fields, NOW)

    def members_by_condition(self, views: Sequence[ContactView]) -> dict[int, list[int]]:
        """Return the places of the contacts that match each condition."""
        return _by_condition(self.members(views))

    def moves(self, changes: Sequence[Change]) -> Moves:
        """Ask for each change what it moves."""
        entered, left = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
        for place, change in enumerate(changes):
            enters, leaves = self.selection.change(change.old, change.new, change.fields, NOW)
            _record(place, enters, leaves, (entered, left))
        return entered, left


class Bulk:
    """The evaluator of blocks of contacts."""

    def __init__(
        self,
        nodes: Nodes,
        earlier: "Bulk | None" = None,
        differences: Differences | None = None,
        *,
        block: int = 1_000,
    ) -> None:
        known = None if earlier is None else earlier.bulk
        self.bulk: BulkEvaluator = BulkEvaluator(nodes, UTC, known, differences)
        self.bulk.reduce()
        self.block = block

    def add(self, nodes: Nodes, number: int) -> "Bulk":
        """Return the evaluator of conditions of which one was added."""
        return Bulk(nodes, self, Differences(frozenset({number}), frozenset()), block=self.block)

    def members(self, views: Sequence[ContactView]) -> list[list[int]]:
        """Return the conditions that each contact matches."""
        members: list[list[int]] = [[] for _ in views]
        for number, places in self.members_by_condition(views).items():
            for place in places:
                members[place].append(number)
        return members

    def members_by_condition(self, views: Sequence[ContactView]) -> dict[int, list[int]]:
        """Return the places of the contacts that match each condition."""
        found = defaultdict[int, list[int]](list)
        for first in range(0, len(views), self.block):
            places = range(first, min(first + self.block, len(views)))
            block = ContactBlock(views[first : places.stop])
            for number, mask in self.bulk.match(block, NOW, self.bulk.nodes).items():
                found[number] += select_items(places, mask)
        return found

    def moves(self, changes: Sequence[Change]) -> Moves:
        """Compare blocks of contacts before and after."""
        moves = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
        for first in range(0, len(changes), self.block):
            part = changes[first : first + self.block]
            sides = [change.old for change in part], [change.new for change in part]
            fields = frozenset[str]().union(*(change.fields for change in part))
            found: MaskChanges = self.bulk.compare_writes(sides, fields, NOW)
            for moved, masks in zip(moves, found, strict=True):
                for number, mask in masks.items():
                    moved[number] += select_items(range(first, first + len(part)), mask)
        return moves


def _by_condition(members: Sequence[Sequence[int]]) -> dict[int, list[int]]:
    found = defaultdict[int, list[int]](list)
    for place, numbers in enumerate(members):
        for number in numbers:
            found[number].append(place)
    return found


def _record(place: int, enters: Collection[int], leaves: Collection[int], moves: Moves) -> None:
    for moved, numbers in zip(moves, (enters, leaves), strict=True):
        for number in numbers:
            moved[number].append(place)
