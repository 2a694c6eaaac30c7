"""Evaluates many conditions for many contacts: one bit a contact, and the tree of a condition over integers.

Imports, first evaluations and the clock match hundreds of contacts with all conditions at once. For each
distinct predicate the columns of these contacts give a mask, and AND, OR and NOT combine the masks as the
tree says, whatever its depth. So all contacts of a block share the price of a predicate.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.bulk.blocks import ContactBlock
from diglot.conditions.bulk.predicates import Group, PredicateTable
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.questions import Form, Reading

# The readings whose answers time alone changes.
_MOVING: Final = frozenset({Form.DISTANCE, Form.DAY})


class MaskChange(NamedTuple):
    """The masks of the contacts that enter and leave a condition."""

    number: int
    entered: int
    left: int


class BulkEvaluator:
    """Numbered conditions in a time zone, for blocks of contacts; threads may use it at the same time.

    It reduces conditions when it is first used, except those that an earlier object has reduced.
    """

    def __init__(
        self, nodes: Mapping[int, tree.Node], zone: ZoneInfo, earlier: "BulkEvaluator | None" = None
    ) -> None:
        self._nodes = nodes
        self._table = PredicateTable(zone)
        self._groups: Mapping[int, Group] = {}
        if earlier is not None and earlier._table.can_hold(zone, len(nodes)):
            self._table, groups = earlier._table, earlier._groups
            self._groups = {
                number: group
                for number, group in groups.items()
                if earlier._nodes[number] is nodes.get(number)
            }

    def match(self, block: ContactBlock, now: int, numbers: Iterable[int]) -> dict[int, int]:
        """Return the masks of the contacts that match each of some conditions at an instant, if any does."""
        groups = self._reduce()
        answers, everyone = _Answers(self._table, block, now), block.everyone
        return {
            number: mask for number in numbers if (mask := groups[number].match(answers, everyone))
        }

    def compare_writes(
        self,
        before: Sequence[ContactView],
        after: Sequence[ContactView],
        fields: Iterable[str],
        now: int,
    ) -> Iterator[MaskChange]:
        """Yield who enters and leaves conditions by a change of some fields of contacts, at an instant."""
        groups, wanted = self._reduce(), frozenset(fields)
        readings = [reading for reading in tuple(self._table.tests) if reading.field in wanted]
        sides = ContactBlock(before), ContactBlock(after)
        yield from self._compare(groups, sides, (now, now), readings, groups)

    def compare_instants(
        self, views: Sequence[ContactView], since: int, until: int, numbers: Collection[int]
    ) -> Iterator[MaskChange]:
        """Yield who enters and leaves some conditions between two instants, by time alone."""
        groups, block = self._reduce(), ContactBlock(views)
        readings = [reading for reading in tuple(self._table.tests) if reading.form in _MOVING]
        yield from self._compare(groups, (block, block), (since, until), readings, numbers)

    def _compare(
        self,
        groups: Mapping[int, Group],
        sides: tuple[ContactBlock, ContactBlock],
        instants: tuple[int, int],
        readings: Iterable[Reading],
        numbers: Collection[int],
    ) -> Iterator[MaskChange]:
        """Compare the answers about two sides, which differ in some readings at most.

        Only conditions with a predicate whose answer differs are evaluated, and of the other readings only
        those of the contacts for which one does.
        """
        old, new = (
            _Answers(self._table, side, at) for side, at in zip(sides, instants, strict=True)
        )
        moved, touched = 0, set[int]()
        for reading in readings:
            for number in self._table.tests[reading].numbers:
                if difference := old[number] ^ new[number]:
                    moved |= difference
                    touched.update(self._table.users[number])
        if not moved:
            return
        shared = _Answers(self._table, sides[1].select(moved), instants[1])
        old.share(shared)
        new.share(shared)
        everyone = sides[1].everyone
        for number in sorted(touched.intersection(numbers)):
            was, is_ = (groups[number].match(answers, everyone) for answers in (old, new))
            if was != is_:
                yield MaskChange(number, is_ & ~was, was & ~is_)

    def _reduce(self) -> Mapping[int, Group]:
        """Return the reduced conditions."""
        if len(self._groups) < len(self._nodes):
            table = self._table
            with table.lock:
                known = self._groups
                added = {
                    number: table.reduce(number, node)
                    for number, node in self._nodes.items()
                    if number not in known
                }
                self._groups = {**known, **added}
        return self._groups


class _Answers(dict[int, int]):
    """The masks of literals, for a block of contacts at an instant.

    The first predicate that is asked for has the column of its reading answer all tests of the reading.
    """

    def __init__(self, table: PredicateTable, block: ContactBlock, now: int) -> None:
        super().__init__()
        self._table, self._block, self._now = table, block, now
        self._shared: _Answers | None = None

    def share(self, shared: "_Answers") -> None:
        """Take what is not answered yet from other answers."""
        self._shared = shared

    def __missing__(self, literal: int) -> int:
        if literal < 0:
            mask = self._block.everyone ^ self[~literal]
        elif self._shared is not None:
            mask = self._shared[literal]
        else:
            self._answer_reading(self._table.readings[literal])
            return self[literal]
        self[literal] = mask
        return mask

    def _answer_reading(self, reading: Reading) -> None:
        tests, column = self._table.tests[reading], self._block.column(reading)
        if column is None:
            self.update(dict.fromkeys(tests.numbers, 0))
        else:
            tests.answer(column, self, self._now, self._table.zone)
