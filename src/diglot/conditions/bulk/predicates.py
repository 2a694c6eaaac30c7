"""Numbers the distinct predicates of conditions, and reduces each condition to a tree over these numbers."""

from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import tree
from diglot.conditions.bulk.asked_tests import AskedTests, asked_tests_of
from diglot.conditions.index.questions import Reading, question_of

_encode = msgspec.json.Encoder().encode


class Group(NamedTuple):
    """A group of literals and groups: a literal is the number of a predicate, or its complement (~number)."""

    is_all: bool
    literals: Sequence[int]
    groups: Sequence["Group"]

    def match(self, answers: Mapping[int, int], everyone: int) -> int:
        """Return the mask of the contacts that match, given those of literals and that of all contacts."""
        if not self.is_all:
            mask = 0
            for literal in self.literals:
                mask |= answers[literal]
            for group in self.groups:
                mask |= group.match(answers, everyone)
            return mask
        mask = everyone
        for literal in self.literals:
            mask &= answers[literal]
            if not mask:
                return 0
        for group in self.groups:
            mask &= group.match(answers, everyone)
        return mask


# A version begins a table anew if so many times its conditions, and so many more, were added before.
_MAX_GROWTH: Final = 2
_MIN_ADDED: Final = 100
_NOBODY: Final = Group(is_all=False, literals=(), groups=())
_EVERYBODY: Final = Group(is_all=True, literals=(), groups=())


class PredicateTable:
    """The distinct predicates of numbered conditions in a time zone, with their tests by reading.

    The versions of a workspace's conditions share a table, to which each adds its new predicates; what no
    condition uses any more stays. Threads read it without a lock while one adds to it, because they only read
    what the conditions that they evaluate use, which was complete before.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self.zone = zone
        self.lock = Lock()
        self.tests: dict[Reading, AskedTests] = {}
        # The reading of each predicate, and the conditions that use it or did so before.
        self.readings: list[Reading] = []
        self.users: list[list[int]] = []
        # How many conditions were reduced so far.
        self.reduced = 0
        self._numbers: dict[bytes, int] = {}

    def can_hold(self, zone: ZoneInfo, count: int) -> bool:
        """Tell whether another version of `count` conditions may add to this table: most of it is in use."""
        return zone == self.zone and self.reduced <= _MAX_GROWTH * count + _MIN_ADDED

    def reduce(self, condition: int, node: tree.Node) -> Group:
        """Return the tree of a numbered condition; the caller holds the lock."""
        self.reduced += 1
        return self._reduce_items(condition, [node], is_all=True, negated=False)

    def _reduce_items(
        self, condition: int, items: Iterable[tree.Node], *, is_all: bool, negated: bool
    ) -> Group:
        """Return a group in which only predicates are negated: not all of some items is not one or more."""
        literals: list[int] = []
        groups: list[Group] = []
        for outer in items:
            item, is_negated = outer, negated
            while isinstance(item, tree.Not):
                item, is_negated = item.item, not is_negated
            if isinstance(item, tree.Predicate):
                number = self._number_of(condition, item)
                literals.append(~number if is_negated else number)
            elif tree.is_draft(item):
                groups.append(_EVERYBODY if is_negated else _NOBODY)
            else:
                within_all = isinstance(item, tree.All) is not is_negated
                inner = self._reduce_items(condition, item.items, is_all=within_all, negated=is_negated)
                groups.append(inner)
        return _simplify(literals, groups, is_all=is_all)

    def _number_of(self, condition: int, predicate: tree.Predicate) -> int:
        encoded = _encode(predicate)
        number = self._numbers.get(encoded)
        if number is None:
            number = len(self.readings)
            reading, test = question_of(predicate, self.zone)
            if reading not in self.tests:
                self.tests[reading] = asked_tests_of(reading.form)
            self.users.append([])
            self.readings.append(reading)
            self.tests[reading].add(number, test)
            self._numbers[encoded] = number
        self.users[number].append(condition)
        return number


def _simplify(literals: list[int], groups: list[Group], *, is_all: bool) -> Group:
    """Return a group without inner groups of its own kind, or an only inner group."""
    if len(groups) == 1 and not literals:
        return groups[0]
    others = [group for group in groups if group.is_all is not is_all]
    for group in groups:
        if group.is_all is is_all:
            literals += group.literals
            others += group.groups
    return Group(is_all, tuple(literals), others)
