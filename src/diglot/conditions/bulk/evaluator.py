"""Evaluates many conditions for many contacts: one bit a contact, and the tree of a condition over integers.

Imports, first evaluations and the clock match hundreds of contacts with all conditions at once. For each
distinct predicate the columns of these contacts give a mask, and AND, OR and NOT combine the masks as the
tree says, whatever its depth. So all contacts of a block share the price of a predicate.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import tree
from diglot.conditions.bulk.blocks import ContactBlock
from diglot.conditions.index.questions import Reading, question_of
from diglot.conditions.bulk.test_groups import TestGroup, group_of

_encode = msgspec.json.Encoder().encode


class _Group(NamedTuple):
    """A group of literals and groups. A literal is the number of a predicate, or its complement (~number)."""

    is_all: bool
    literals: Sequence[int]
    groups: Sequence["_Group"]


_NOBODY: Final = _Group(is_all=False, literals=(), groups=())
_EVERYBODY: Final = _Group(is_all=True, literals=(), groups=())


def _simplify(is_all: bool, literals: list[int], groups: list[_Group]) -> _Group:
    """Return a group without inner groups of its own kind, or an only inner group."""
    if len(groups) == 1 and not literals:
        return groups[0]
    others = [group for group in groups if group.is_all is not is_all]
    for group in groups:
        if group.is_all is is_all:
            literals += group.literals
            others += group.groups
    return _Group(is_all, tuple(literals), others)


class BulkEvaluator:
    """Numbered conditions in a time zone, for blocks of contacts."""

    def __init__(self, nodes: Mapping[int, tree.Node], zone: ZoneInfo) -> None:
        self.zone = zone
        self.tests: dict[Reading, TestGroup] = {}
        # The reading of each predicate by its number, and the numbers by the encoded predicates.
        self.readings: list[Reading] = []
        self._numbers: dict[bytes, int] = {}
        self._groups = {number: self._compile_items([node], is_all=True, negated=False) for number, node in nodes.items()}

    def match(self, block: ContactBlock, now: int, numbers: Iterable[int]) -> dict[int, int]:
        """Return the masks of the contacts that match each of some conditions at an instant, if any does."""
        answers = _Answers(self, block, now)
        everyone, groups = block.everyone, self._groups
        return {number: mask for number in numbers if (mask := _match(groups[number], answers, everyone))}

    def _compile_items(self, items: Iterable[tree.Node], *, is_all: bool, negated: bool) -> _Group:
        """Return a group in which only predicates are negated: not all of some items is not one or more."""
        literals: list[int] = []
        groups: list[_Group] = []
        for outer in items:
            item, is_negated = outer, negated
            while isinstance(item, tree.Not):
                item, is_negated = item.item, not is_negated
            if isinstance(item, tree.Predicate):
                number = self._number_of(item)
                literals.append(~number if is_negated else number)
            elif tree.is_draft(item):
                groups.append(_EVERYBODY if is_negated else _NOBODY)
            else:
                within_all = isinstance(item, tree.All) is not is_negated
                groups.append(self._compile_items(item.items, is_all=within_all, negated=is_negated))
        return _simplify(is_all, literals, groups)

    def _number_of(self, predicate: tree.Predicate) -> int:
        encoded = _encode(predicate)
        number = self._numbers.get(encoded)
        if number is None:
            number = self._numbers[encoded] = len(self.readings)
            reading, test = question_of(predicate, self.zone)
            self.readings.append(reading)
            if reading not in self.tests:
                self.tests[reading] = group_of(reading.form)
            self.tests[reading].add(number, test)
        return number


class _Answers(dict[int, int]):
    """The masks of literals, for a block of contacts at an instant.

    The first predicate that is asked for has the column of its reading answer all that the reading has.
    """

    def __init__(self, evaluator: BulkEvaluator, block: ContactBlock, now: int) -> None:
        super().__init__()
        self._evaluator, self._block, self._now = evaluator, block, now

    def __missing__(self, literal: int) -> int:
        if literal < 0:
            mask = self[literal] = self._block.everyone ^ self[~literal]
            return mask
        reading = self._evaluator.readings[literal]
        tests, column = self._evaluator.tests[reading], self._block.column(reading)
        if column is None:
            self.update(dict.fromkeys(tests.numbers, 0))
        else:
            tests.answer(column, self, self._now, self._evaluator.zone)
        return self[literal]


def _match(group: _Group, answers: Mapping[int, int], everyone: int) -> int:
    is_all, literals, groups = group
    if is_all:
        mask = everyone
        for literal in literals:
            mask &= answers[literal]
            if not mask:
                return 0
        for inner in groups:
            mask &= _match(inner, answers, everyone)
        return mask
    mask = 0
    for literal in literals:
        mask |= answers[literal]
    for inner in groups:
        mask |= _match(inner, answers, everyone)
    return mask
