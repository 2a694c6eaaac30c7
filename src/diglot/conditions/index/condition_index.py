"""The index of conditions that change now and then: a large index of most, a small one of those added since.

The small one is made anew for each added condition, which costs the time of the rules of at most 64. A
removed condition is masked out. Once more were added, or a quarter is removed, all are indexed anew, which
takes 25 ms for 1,000 conditions and 3 s for 100,000; `find` leaves that to `build`, on another thread.
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


class _Base(NamedTuple):
    """A large index with what it indexes, the conditions that it lacks, and those that no longer count."""

    matcher: Matcher
    nodes: Mapping[int, tree.Node]
    added: frozenset[int] = frozenset()
    removed: frozenset[int] = frozenset()

    def change(self, differences: Differences) -> "_Base | None":
        """Return the base of another version, or None if too much differs from the large index."""
        added, removed = differences
        added |= self.added - removed
        removed = self.removed.union(number for number in removed if number in self.nodes)
        if len(added) > MAX_ADDED or len(removed) > MAX_REMOVED * len(self.nodes):
            return None
        return self._replace(added=added, removed=removed)


class ConditionIndex:
    """The index of numbered conditions in a time zone.

    What an earlier index has of the same condition objects is reused: identical ones, because 5 and 5.0 are
    equal in Python but two operands here. `differences` are those from the conditions of the earlier index;
    without them all are compared. `find` returns within milliseconds, `build` and `settle` may take seconds;
    several threads may call them at the same time.
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
        self.base: _Base | None = None
        if earlier is not None and earlier.zone == zone and (base := earlier.base) is not None:
            self.base = base.change(differences or find_differences(earlier.nodes, nodes))
        self._lock = Lock()
        self._selection: Selection | None = None

    def find(self) -> Selection | None:
        """Return all conditions, or None if they have to be built first."""
        if self._selection is None and self._is_little():
            self.build()
        return self._selection

    def build(self) -> Selection:
        """Return all conditions, indexed by one thread while others wait."""
        with self._lock:
            if self._selection is None:
                self._selection = self._index_all() if self.base is None else self._index_added(self.base)
            return self._selection

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to index, and the next changes will be few."""
        if self._selection is None or self.base is None:
            return self._is_little()
        return len(self.base.added) <= MAX_ADDED // 2

    def settle(self) -> None:
        """Index all conditions anew, unless that is done already, so that the next changes are few."""
        with self._lock:
            if not self.is_settled:
                self._selection = self._index_all()

    def _is_little(self) -> bool:
        """Tell whether few rules have to be indexed."""
        return _has_few_rules(self.nodes, self.nodes if self.base is None else self.base.added)

    def _index_all(self) -> Selection:
        matcher = Matcher(self.nodes, self.zone)
        self.base = _Base(matcher, self.nodes)
        return Selection([(matcher, matcher.all)])

    def _index_added(self, base: _Base) -> Selection:
        matcher = base.matcher
        kept = matcher.all ^ (matcher.all & matcher.mask_of(base.removed))
        small = Matcher({number: self.nodes[number] for number in sorted(base.added)}, self.zone)
        return Selection([(matcher, kept), (small, small.all)])


def _has_few_rules(nodes: Mapping[int, tree.Node], numbers: Iterable[int]) -> bool:
    rules = 0
    for number in numbers:
        rules += sum(1 for _ in tree.predicates_of(nodes[number]))
        if rules > RULES_AT_ONCE:
            return False
    return True
