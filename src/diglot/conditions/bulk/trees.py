"""Numbers the distinct predicates of conditions, and reduces each condition to a tree over these numbers."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from threading import Lock
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import tree
from diglot.conditions.bulk.asked_tests import AskedTests, asked_tests_of
from diglot.conditions.index.predicates import question_of
from diglot.conditions.index.questions import Reading

_encode = msgspec.json.Encoder().encode


class Group(NamedTuple):
    """A group of which all or any must be true: predicates, by number, those that are negated, and groups."""

    is_all: bool
    predicates: Sequence[int]
    negated: Sequence[int]
    groups: Sequence["Group"]

    def match(self, answers: Mapping[int, int], everyone: int) -> int:
        """Return the mask of the contacts that match, given those of predicates and that of all contacts."""
        is_all, predicates, negated, groups = self
        return (_match_all if is_all else _match_any)(predicates, negated, groups, answers, everyone)


def _match_all(
    predicates: Sequence[int],
    negated: Sequence[int],
    groups: Sequence[Group],
    answers: Mapping[int, int],
    everyone: int,
) -> int:
    mask = everyone
    for number in predicates:
        mask &= answers[number]
        if not mask:
            return 0
    for number in negated:
        mask ^= mask & answers[number]
    for group in groups:
        mask &= group.match(answers, everyone)
    return mask


def _match_any(
    predicates: Sequence[int],
    negated: Sequence[int],
    groups: Sequence[Group],
    answers: Mapping[int, int],
    everyone: int,
) -> int:
    mask = 0
    for number in predicates:
        mask |= answers[number]
    for number in negated:
        mask |= everyone ^ answers[number]
    for group in groups:
        mask |= group.match(answers, everyone)
    return mask


# A version begins a table anew if so many times its conditions, and so many more, were added before.
_MAX_GROWTH: Final = 2
_MIN_ADDED: Final = 100
_NOBODY: Final = Group(is_all=False, predicates=(), negated=(), groups=())
_EVERYBODY: Final = Group(is_all=True, predicates=(), negated=(), groups=())


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

    def compare(
        self, old: Mapping[int, int], new: Mapping[int, int], readings: Iterable[Reading]
    ) -> tuple[int, set[int]]:
        """Compare answers about predicates on some readings.

        Return the mask of the contacts for which one differs, and the conditions that may use such a one.
        """
        moved, touched = 0, set[int]()
        for reading in readings:
            for number in self.tests[reading].numbers:
                if difference := old[number] ^ new[number]:
                    moved |= difference
                    touched.update(self.users[number])
        return moved, touched

    def reduce(self, condition: int, node: tree.Node) -> Group:
        """Return the tree of a numbered condition; the caller holds the lock."""
        self.reduced += 1
        return self._reduce_items(condition, [node], is_all=True, negated=False)

    def _reduce_items(
        self, condition: int, items: Iterable[tree.Node], *, is_all: bool, negated: bool
    ) -> Group:
        """Return a group in which only predicates are negated: not all of some items is not one or more."""
        # The numbers of the predicates, and of those that are negated.
        numbers: tuple[list[int], list[int]] = [], []
        groups: list[Group] = []
        for outer in items:
            item, is_negated = outer, negated
            while isinstance(item, tree.Not):
                item, is_negated = item.item, not is_negated
            if isinstance(item, tree.Predicate):
                numbers[is_negated].append(self._number_of(condition, item))
            elif tree.is_draft(item):
                groups.append(_EVERYBODY if is_negated else _NOBODY)
            else:
                within_all = isinstance(item, tree.All) is not is_negated
                inner = self._reduce_items(condition, item.items, is_all=within_all, negated=is_negated)
                groups.append(inner)
        return _simplify(Group(is_all, *numbers, groups))

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


def _simplify(group: Group) -> Group:
    """Return a group without inner groups of its own kind, or an only inner group."""
    is_all, predicates, negated, groups = group
    if len(groups) == 1 and not predicates and not negated:
        return groups[0]
    inner = [other for other in groups if other.is_all is is_all]
    return Group(
        is_all,
        (*predicates, *chain.from_iterable(other.predicates for other in inner)),
        (*negated, *chain.from_iterable(other.negated for other in inner)),
        [
            *(other for other in groups if other.is_all is not is_all),
            *chain.from_iterable(other.groups for other in inner),
        ],
    )
