"""The index of a fixed set of conditions: which of them a contact matches, by one look-up for each reading.

Each gate of each condition has a bit. A look-up answers with the gates that one value rules out, so that the
union of all answers says for every condition at once whether it matches.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from diglot.caches import MemoBudget
from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.index.asked import Asked, Setting
from diglot.conditions.index.attribute_lookups import AttributeLookups
from diglot.conditions.index.gates import Layout
from diglot.conditions.index.lookups import Lookup, make_lookup
from diglot.conditions.index.masks import join_bits, select_items
from diglot.conditions.index.predicates import question_of
from diglot.conditions.index.questions import Reading

# The bytes that the remembered answers of an index may take for each use of a predicate, and at least and at
# most.
_MEMO_BYTES_OF_A_USE: Final = 1_000
_MIN_MEMO_BYTES: Final = 64_000
_MAX_MEMO_BYTES: Final = 128_000_000
_NOTHING: Final = (0, 0)


class Matcher:
    """The index of numbered conditions in a time zone. Drafts match no contact, so they have no place in it.

    Threads may ask it at the same time. Masks that it returns have the bits of conditions.
    """

    def __init__(self, conditions: Mapping[int, tree.Node], zone: ZoneInfo) -> None:
        self._layout = layout = Layout(
            {number: node for number, node in conditions.items() if not tree.is_draft(node)}
        )
        readings: defaultdict[Reading, list[Asked]] = defaultdict(list)
        uses_count = 0
        for uses in layout.uses.values():
            reading, test = question_of(uses.predicate, zone)
            readings[reading].append(Asked(test, uses.required, uses.forbidden))
            uses_count += len(uses.required) + len(uses.forbidden)
        layout.uses.clear()
        limit = min(max(_MEMO_BYTES_OF_A_USE * uses_count, _MIN_MEMO_BYTES), _MAX_MEMO_BYTES)
        self.budget = MemoBudget(limit)
        setting = Setting(layout.width, zone, self.budget)
        # Look-ups of one kind in a row, in the same order for every contact: the processor predicts their
        # branches, which halves the time of those of attributes.
        ordered = sorted(readings.items(), key=lambda item: (item[0].form.name, item[0].field))
        lookups = [make_lookup(reading, asked, setting) for reading, asked in ordered]
        self._by_field: defaultdict[str, list[Lookup]] = defaultdict(list)
        for lookup in lookups:
            self._by_field[lookup.field].append(lookup)
        self._core = [lookup for lookup in lookups if lookup.key is None]
        self._core_asks = [lookup.ask for lookup in self._core]
        self._attributes = AttributeLookups(
            (lookup for lookup in lookups if lookup.key is not None), self.budget
        )
        self._numbers = [layout.numbers.get(bit, 0) for bit in range(layout.width)]
        # The mask of all conditions.
        self.all = layout.roots
        self._nested = (1 << layout.nested_width) - 1

    def mask_of(self, numbers: Iterable[int]) -> int:
        """Return the mask of some conditions."""
        bits = self._layout.bits
        return join_bits((bits[number] for number in numbers if number in bits), self._layout.width)

    def numbers_in(self, mask: int) -> list[int]:
        """Return the numbers of the conditions in a mask."""
        return select_items(self._numbers, mask)

    def members(self, view: ContactView, now: int) -> int:
        """Return the mask of the conditions that a contact matches at an instant."""
        shape = self._attributes.shape_of(view.attribute_keys())
        ruled_out = shape.missing
        for ask in self._core_asks:
            ruled_out |= ask(view, now)
        for ask in shape.asks:
            ruled_out |= ask(view, now)
        return self._matching(ruled_out)

    def change(
        self, old: ContactView, new: ContactView, fields: Collection[str], now: int
    ) -> tuple[int, int]:
        """Return the masks of the conditions that a contact enters and leaves by a change of some fields."""
        before = after = 0
        keys: set[str] = set()
        for field in fields:
            for lookup in self._by_field.get(field, ()):
                before |= lookup.ask(old, now)
                after |= lookup.ask(new, now)
                if lookup.key is not None:
                    keys.add(lookup.key)
        if before == after:
            return _NOTHING
        shape = self._attributes.shape_of(new.attribute_keys(), frozenset(keys))
        ruled_out = shape.missing
        for lookup in self._core:
            if lookup.field not in fields:
                ruled_out |= lookup.ask(new, now)
        for ask in shape.asks:
            ruled_out |= ask(new, now)
        return self._compare(before, after, ruled_out)

    def elapse(self, view: ContactView, since: int, until: int) -> tuple[int, int]:
        """Return the masks of the conditions that a contact enters and leaves by time alone."""
        shape = self._attributes.shape_of(view.attribute_keys())
        lookups = (*self._core, *shape.lookups)
        before = after = 0
        for lookup in lookups:
            if lookup.is_moving:
                before |= lookup.ask(view, since)
                after |= lookup.ask(view, until)
        if before == after:
            return _NOTHING
        ruled_out = shape.missing
        for lookup in lookups:
            if not lookup.is_moving:
                ruled_out |= lookup.ask(view, until)
        return self._compare(before, after, ruled_out)

    def _compare(self, before: int, after: int, both: int) -> tuple[int, int]:
        """Return the conditions entered and left if some gates are ruled out before, after, and at both."""
        layout, nested = self._layout, self._nested
        flipped = (before ^ after) & ~both
        if not flipped:
            return _NOTHING
        ruled_out = after & flipped
        if flipped & nested:
            was, is_ = self._close((before | both) & nested), self._close((after | both) & nested)
            flipped = (flipped & ~nested) | (was ^ is_)
            ruled_out = (ruled_out & ~nested) | is_
        moved = flipped & layout.roots
        left = moved & (ruled_out ^ layout.inverted)
        return moved ^ left, left

    def _matching(self, ruled_out: int) -> int:
        """Return the conditions that match if look-ups rule gates out."""
        layout = self._layout
        return (layout.roots & ~(ruled_out | self._close(ruled_out & self._nested))) ^ layout.inverted

    def _close(self, nested: int) -> int:
        """Return gates with inner ones and those inside of them that are ruled out, also by inner gates."""
        for inner, runs, outer in self._layout.levels:
            nested |= ((inner & ~nested) + runs) & outer
        return nested
