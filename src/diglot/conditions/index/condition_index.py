"""The index of conditions that change now and then: several indexes, each of conditions that came together.

Conditions that were added are indexed by themselves, because the time to index conditions grows faster than
their rules: 250 rules take 5 ms, 2,500 take 100 ms. Small indexes are made one with what is added, removed
conditions are masked out. Once there are many indexes, or a quarter of all conditions is masked out, `settle`
merges small ones into larger ones, on another thread and before a write needs them.
"""

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from threading import Lock
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.differences import Differences, find_differences
from diglot.conditions.index.matcher import Matcher

# More indexes are merged ahead of writes; with twice as many the next write has to.
MAX_LAYERS: Final = 8
# The part of the conditions that is masked out at which they are indexed anew.
MAX_REMOVED: Final = 1 / 4
# So many rules are indexed in about 3 ms, which need no other thread.
RULES_AT_ONCE: Final = 200
NO_NODES: Final[Mapping[int, tree.Node]] = {}
# The conditions that a contact enters and leaves.
Moves = tuple[list[int], list[int]]


class Selection:
    """Conditions that can be asked: all of an index, or some. Numbers are returned in no order."""

    __slots__ = ("_parts",)

    def __init__(self, parts: Iterable[tuple[Matcher, int]]) -> None:
        # Each index, with the mask of those of its conditions that count.
        self._parts = tuple(part for part in parts if part[1])

    def narrow(self, numbers: Collection[int]) -> "Selection":
        """Return a selection of only these conditions."""
        return Selection((matcher, mask & matcher.mask_of(numbers)) for matcher, mask in self._parts)

    def members(self, view: ContactView | None, now: int) -> list[int]:
        """Return the conditions that a contact matches at an instant (microseconds); None matches none."""
        if view is None:
            return []
        found = [matcher.numbers_in(matcher.members(view, now) & mask) for matcher, mask in self._parts]
        return found[0] if len(found) == 1 else list(chain.from_iterable(found))

    def change(
        self, old: ContactView | None, new: ContactView | None, fields: Collection[str], now: int
    ) -> Moves:
        """Return what a contact enters and leaves by a write that changes some fields.

        None is a contact before it is created or after it is deleted.
        """
        if old is None or new is None:
            return self.members(new, now), self.members(old, now)
        entered: list[int] = []
        left: list[int] = []
        for matcher, mask in self._parts:
            enters, leaves = matcher.change(old, new, fields, now)
            entered += matcher.numbers_in(enters & mask)
            left += matcher.numbers_in(leaves & mask)
        return entered, left

    def elapse(self, view: ContactView, since: int, until: int) -> Moves:
        """Return what a contact enters and leaves between two instants, by time alone."""
        entered: list[int] = []
        left: list[int] = []
        for matcher, mask in self._parts:
            enters, leaves = matcher.elapse(view, since, until)
            entered += matcher.numbers_in(enters & mask)
            left += matcher.numbers_in(leaves & mask)
        return entered, left


class _Layer(NamedTuple):
    """An index of some conditions, the number of their rules, and which of them no longer count."""

    matcher: Matcher
    nodes: Mapping[int, tree.Node]
    rules: int
    removed: frozenset[int] = frozenset()

    def remove(self, numbers: Collection[int]) -> "_Layer":
        """Return the layer without some conditions."""
        removed = self.removed.union(number for number in numbers if number in self.nodes)
        return self if len(removed) == len(self.removed) else self._replace(removed=removed)

    @property
    def counts(self) -> bool:
        """Whether any condition of the layer counts."""
        return len(self.removed) < len(self.nodes)

    @property
    def left(self) -> dict[int, tree.Node]:
        """The conditions that count."""
        return {number: node for number, node in self.nodes.items() if number not in self.removed}

    @property
    def mask(self) -> int:
        """The mask of the conditions that count."""
        every = self.matcher.all
        return every ^ (every & self.matcher.mask_of(self.removed))


class ConditionIndex:
    """The index of numbered conditions in a time zone.

    What an earlier index has of the same condition objects is reused: identical ones, because 5 and 5.0 are
    equal in Python but two operands here. `differences` are those from the conditions of the earlier index;
    without them all are compared. `find` returns within milliseconds, `build` takes as long as what is not
    indexed yet, `settle` may take seconds; several threads may call them at the same time.
    """

    def __init__(
        self,
        nodes: Mapping[int, tree.Node],
        zone: ZoneInfo,
        earlier: "ConditionIndex | None" = None,
        differences: Differences | None = None,
    ) -> None:
        self.nodes = nodes
        self.zone = zone
        # The layers, and the conditions that are in none.
        self.indexed: tuple[tuple[_Layer, ...], frozenset[int]] = (), frozenset(nodes)
        if earlier is not None and earlier.zone == zone:
            added, removed = differences or find_differences(earlier.nodes, nodes)
            layers, missing = earlier.indexed
            kept = (layer.remove(removed) for layer in layers)
            self.indexed = tuple(layer for layer in kept if layer.counts), (missing - removed) | added
        self._lock, self._settling = Lock(), Lock()
        self._selection: Selection | None = None

    def find(self) -> Selection | None:
        """Return all conditions, or None if they have to be built first."""
        if self._selection is None and self._is_little():
            self.build()
        return self._selection

    def build(self) -> Selection:
        """Return all conditions; one thread indexes those that no layer has, while others wait."""
        with self._lock:
            return self._build()

    @property
    def is_settled(self) -> bool:
        """Whether little is left to index, and the layers are few."""
        layers, _ = self.indexed
        return len(layers) <= MAX_LAYERS and not self._is_sparse(layers) and self._is_little()

    def settle(self) -> None:
        """Index what is left to index, and merge layers unless they are few."""
        self.build()
        # Whoever asks meanwhile gets the layers as they are, and does not wait for the merge.
        with self._settling:
            layers, missing = self.indexed
            if self._is_sparse(layers):
                layers = self._merge((), layers)
            elif len(layers) > MAX_LAYERS:
                layers = self._merge_small(layers)
            self._show(layers, missing)

    def _is_little(self) -> bool:
        """Tell whether few rules have to be indexed."""
        return _has_few_rules(self.nodes, self.indexed[1])

    def _is_sparse(self, layers: Iterable[_Layer]) -> bool:
        """Tell whether many conditions of the layers no longer count."""
        return sum(len(layer.removed) for layer in layers) > MAX_REMOVED * len(self.nodes)

    def _build(self) -> Selection:
        if self._selection is None:
            layers, missing = self.indexed
            if missing:
                layers = self._add(layers, {number: self.nodes[number] for number in sorted(missing)})
            if len(layers) > 2 * MAX_LAYERS:
                layers = self._merge_small(layers)
            self._show(layers, frozenset())
        assert self._selection is not None
        return self._selection

    def _show(self, layers: tuple[_Layer, ...], missing: frozenset[int]) -> None:
        self.indexed = layers, missing
        self._selection = Selection([(layer.matcher, layer.mask) for layer in layers])

    def _add(self, layers: tuple[_Layer, ...], added: dict[int, tree.Node]) -> tuple[_Layer, ...]:
        """Return layers with one more, which takes in the last ones as long as it has few rules."""
        rules, first = _count_rules(added.values()), len(layers)
        while first and rules + layers[first - 1].rules <= RULES_AT_ONCE:
            first -= 1
            rules += layers[first].rules
        return self._merge(layers[:first], layers[first:], added)

    def _merge_small(self, layers: tuple[_Layer, ...]) -> tuple[_Layer, ...]:
        """Return at most `MAX_LAYERS`, each with less than half of the rules of the one before it."""
        ordered = sorted(layers, key=lambda layer: -layer.rules)
        first, rules = len(ordered) - 1, ordered[-1].rules
        while first and (first >= MAX_LAYERS or ordered[first - 1].rules <= 2 * rules):
            first -= 1
            rules += ordered[first].rules
        return self._merge(tuple(ordered[:first]), ordered[first:])

    def _merge(
        self, kept: tuple[_Layer, ...], merged: Iterable[_Layer], added: Mapping[int, tree.Node] = NO_NODES
    ) -> tuple[_Layer, ...]:
        """Return the kept layers and one of the conditions of others, with those that are added."""
        nodes: dict[int, tree.Node] = {}
        for layer in merged:
            nodes |= layer.left
        nodes |= added
        nodes = {number: nodes[number] for number in sorted(nodes)}
        layer = _Layer(Matcher(nodes, self.zone), nodes, _count_rules(nodes.values()))
        return (*kept, layer)


def _count_rules(nodes: Iterable[tree.Node]) -> int:
    return sum(1 for node in nodes for _ in tree.predicates_of(node))


def _has_few_rules(nodes: Mapping[int, tree.Node], numbers: Iterable[int]) -> bool:
    rules = 0
    for number in numbers:
        rules += sum(1 for _ in tree.predicates_of(nodes[number]))
        if rules > RULES_AT_ONCE:
            return False
    return True
