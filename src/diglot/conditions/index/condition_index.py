"""The index of conditions that change now and then: a large index of most, a small one of those added since.

The small one is made anew for each added condition, which costs the time of the rules of at most 64. A
removed condition is masked out. Once more were added, or a quarter is removed, all are indexed anew, which
takes 25 ms for 1,000 conditions and 3 s for 100,000; `find` leaves that to `build`, on another thread.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import compress
from operator import is_not
from threading import Lock
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.matcher import Matcher

# The conditions in the small index.
MAX_ADDED: Final = 64
# The removed part of the large index at which it is made anew.
MAX_REMOVED: Final = 1 / 4
# So many rules are indexed in about 2 ms, which need no other thread.
RULES_AT_ONCE: Final = 200

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
        met: list[int] = []
        if view is not None:
            for matcher, mask in self._parts:
                met += matcher.numbers_in(matcher.members(view, now) & mask)
        return met

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


class _Base(NamedTuple):
    """A large index, and what it indexes."""

    matcher: Matcher
    nodes: Mapping[int, tree.Node]


class _Changes(NamedTuple):
    """The conditions that a large index lacks, and those of its own that no longer count."""

    added: Sequence[int]
    removed: Sequence[int]


class ConditionIndex:
    """The index of numbered conditions in a time zone.

    What an earlier index has of the same condition objects is reused: identical ones, because 5 and 5.0 are
    equal in Python but two operands here. `find` returns within milliseconds, `build` and `settle` may take
    seconds; several threads may call them at the same time.
    """

    def __init__(
        self, nodes: Mapping[int, tree.Node], zone: ZoneInfo, earlier: "ConditionIndex | None" = None
    ) -> None:
        self.nodes = nodes
        self.zone = zone
        self.base: _Base | None = earlier.base if earlier is not None and earlier.zone == zone else None
        self._lock = Lock()
        self._selection: Selection | None = None
        # The number of conditions in the small index.
        self._added_count = 0

    def find(self) -> Selection | None:
        """Return all conditions, or None if they have to be built first."""
        if self._selection is None and self._is_little():
            self.build()
        return self._selection

    def build(self) -> Selection:
        """Return all conditions, indexed by one thread while others wait."""
        with self._lock:
            if self._selection is None:
                changes = self._changes
                self._selection = self._index_all() if changes is None else self._index_changes(changes)
            return self._selection

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to index, and the next changes will be few."""
        if self._selection is None:
            return self._is_little()
        return self._added_count <= MAX_ADDED // 2

    def settle(self) -> None:
        """Index all conditions anew, unless that is done already, so that the next changes are few."""
        with self._lock:
            if not self.is_settled:
                self._selection = self._index_all()

    def _is_little(self) -> bool:
        """Tell whether few rules have to be indexed."""
        changes = self._changes
        return _has_few_rules(self.nodes, self.nodes if changes is None else changes.added)

    @cached_property
    def _changes(self) -> _Changes | None:
        """What differs from the large index at first, or None if that has to be made anew."""
        if self.base is None:
            return None
        nodes, known = self.nodes, self.base.nodes
        added = list(compress(nodes, map(is_not, nodes.values(), map(known.get, nodes))))
        removed_count = len(known) - (len(nodes) - len(added))
        if len(added) > MAX_ADDED or removed_count > MAX_REMOVED * len(known):
            return None
        if not removed_count:
            return _Changes(added, ())
        return _Changes(added, [number for number, node in known.items() if nodes.get(number) is not node])

    def _index_all(self) -> Selection:
        matcher = Matcher(self.nodes, self.zone)
        self.base, self._added_count = _Base(matcher, self.nodes), 0
        return Selection([(matcher, matcher.all)])

    def _index_changes(self, changes: _Changes) -> Selection:
        assert self.base is not None
        matcher, self._added_count = self.base.matcher, len(changes.added)
        small = Matcher({number: self.nodes[number] for number in changes.added}, self.zone)
        return Selection([(matcher, matcher.all & ~matcher.mask_of(changes.removed)), (small, small.all)])


def _has_few_rules(nodes: Mapping[int, tree.Node], numbers: Iterable[int]) -> bool:
    rules = 0
    for number in numbers:
        rules += sum(1 for _ in tree.predicates_of(nodes[number]))
        if rules > RULES_AT_ONCE:
            return False
    return True
