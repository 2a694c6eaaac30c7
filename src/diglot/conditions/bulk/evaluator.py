"""Evaluates many conditions for many contacts: one bit a contact, and the tree of a condition over integers.

Imports, first evaluations and the clock match hundreds of contacts with all conditions at once. For each
distinct predicate the columns of these contacts give a mask, and AND, OR and NOT combine the masks as the
tree says, whatever its depth. So all contacts of a block share the price of a predicate.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.bulk.blocks import ContactBlock
from diglot.conditions.bulk.trees import Group, PredicateTable
from diglot.conditions.contact_view import ContactView
from diglot.conditions.differences import Differences, find_differences
from diglot.conditions.index.questions import MOVING_FORMS, Reading

# Fewer contacts are matched one by one, because a block answers all that any condition asks. Measured with
# 2,200 and 13,000 distinct predicates: a block of new contacts takes as long as the index of conditions from
# 50 and 120 contacts on; one of changed contacts, of which the index asks less, from 120 and 200 on.
MIN_CREATED: Final = 50
MIN_CHANGED: Final = 120
_PREDICATES_OF_A_CONTACT: Final = 75


# The views of contacts before a change and after it, in the same order.
Sides = Sequence[Sequence[ContactView]]
# Masks of contacts by the number of a condition, without those that are empty.
Masks = Mapping[int, int]


class MaskChanges(NamedTuple):
    """The masks of the contacts that enter and leave conditions."""

    entered: Masks
    left: Masks


# A block of contacts at an instant.
_BlockAt = tuple[ContactBlock, int]


class BulkEvaluator:
    """Numbered conditions in a time zone, for blocks of contacts; threads may use it at the same time.

    `reduce` comes before the first use. It takes over what an earlier object has reduced.
    """

    def __init__(
        self,
        nodes: Mapping[int, tree.Node],
        zone: ZoneInfo,
        earlier: "BulkEvaluator | None" = None,
        differences: Differences | None = None,
    ) -> None:
        self.nodes = nodes
        self.table = PredicateTable(zone)
        # The reduced conditions: versions share them until one replaces or removes a condition.
        self.groups: dict[int, Group] = {}
        # The conditions that are not reduced yet.
        self.unreduced: Collection[int] = nodes.keys()
        if earlier is not None and earlier.table.can_hold(zone, len(nodes)):
            self._take_over(earlier, differences or find_differences(earlier.nodes, nodes))

    def _take_over(self, earlier: "BulkEvaluator", differences: Differences) -> None:
        """Take over what was reduced of identical objects: 5 and 5.0, equal in Python, are two operands."""
        added, removed = differences
        # Read first, because another thread may reduce the conditions of the earlier object now.
        unreduced, groups = earlier.unreduced, earlier.groups
        if removed:
            groups = groups.copy()
            for number in removed:
                groups.pop(number, None)
        self.table, self.groups = earlier.table, groups
        self.unreduced = added.union(number for number in unreduced if number not in removed)

    def match(self, block: ContactBlock, now: int, numbers: Iterable[int]) -> Masks:
        """Return the masks of the contacts that match each of some conditions at an instant, if any does."""
        if not block.everyone:
            return {}
        groups = self.groups
        answers, everyone = _Answers(self.table, block, now), block.everyone
        return {number: mask for number in numbers if (mask := groups[number].match(answers, everyone))}

    def compare_writes(self, sides: Sides, fields: Iterable[str], now: int) -> MaskChanges:
        """Return who enters and leaves at an instant because some fields of contacts changed."""
        changed = frozenset(fields)
        old, new = map(ContactBlock, sides)
        return self._compare((old, now), (new, now), lambda reading: reading.field in changed, self.nodes)

    def compare_instants(
        self, views: Sequence[ContactView], since: int, until: int, numbers: Collection[int]
    ) -> MaskChanges:
        """Return who enters and leaves some conditions between two instants by time alone."""
        block = ContactBlock(views)
        return self._compare(
            (block, since), (block, until), lambda reading: reading.form in MOVING_FORMS, numbers
        )

    def _compare(
        self,
        before: _BlockAt,
        after: _BlockAt,
        may_differ: Callable[[Reading], bool],
        numbers: Collection[int],
    ) -> MaskChanges:
        """Compare two states of the same contacts.

        Only conditions with a predicate whose answer differs are evaluated, and of the other readings only
        those of the contacts for which one does.
        """
        table, (block, now) = self.table, after
        old, new = _Answers(table, *before), _Answers(table, *after)
        moved, touched = table.compare(old, new, filter(may_differ, tuple(table.tests)))
        shared = _Answers(table, block.select(moved), now)
        old.share(shared)
        new.share(shared)
        entered: dict[int, int] = {}
        left: dict[int, int] = {}
        for number in touched.intersection(numbers):
            was, is_ = (self.groups[number].match(answers, block.everyone) for answers in (old, new))
            if is_ & ~was:
                entered[number] = is_ & ~was
            if was & ~is_:
                left[number] = was & ~is_
        return MaskChanges(entered, left)

    def pays_off(self, contacts: int, least: int) -> bool:
        """Tell whether a block takes less time than one contact after the other; `least` is a `MIN_`."""
        return contacts >= max(least, len(self.table.readings) // _PREDICATES_OF_A_CONTACT)

    def reduce(self) -> None:
        """Reduce the conditions that are not yet; 10,000 of them take a quarter of a second."""
        with self.table.lock:
            added = {number: self.table.reduce(number, self.nodes[number]) for number in self.unreduced}
            # A version that began elsewhere may have given a number to another condition.
            groups = self.groups if self.groups.keys().isdisjoint(added) else self.groups.copy()
            groups.update(added)
            self.groups, self.unreduced = groups, ()


class _Answers(dict[int, int]):
    """The masks of predicates, for a block of contacts at an instant.

    The first predicate that is asked for has the column of its reading answer all tests of the reading.
    """

    def __init__(self, table: PredicateTable, block: ContactBlock, now: int) -> None:
        super().__init__()
        self._table, self._block, self._now = table, block, now
        self._shared: _Answers | None = None

    def share(self, shared: "_Answers") -> None:
        """Take what is not answered yet from other answers."""
        self._shared = shared

    def __missing__(self, number: int) -> int:
        if self._shared is not None:
            mask = self[number] = self._shared[number]
            return mask
        self._answer_reading(self._table.readings[number])
        return self[number]

    def _answer_reading(self, reading: Reading) -> None:
        tests, column = self._table.tests[reading], self._block.column(reading)
        if column is None:
            self.update(dict.fromkeys(tests.numbers, 0))
        else:
            tests.answer(column, self, self._now, self._table.zone)
