"""The index of a fixed set of conditions: which of them a contact matches, by one look-up for each reading.

Each gate of each condition has a bit. A look-up answers with the gates that one value rules out, so that the
union of all answers says for every condition at once whether it matches.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from diglot.caches import MemoBudget
from diglot.conditions import tree
from diglot.conditions.contact_view import ContactView
from diglot.conditions.fields import attribute_key
from diglot.conditions.index.asked import Asked, Setting
from diglot.conditions.index.attribute_lookups import (
    AnyAttributeLookup,
    AttributeLookups,
    Shape,
    make_attribute_lookup,
    rule_out_by_attributes,
)
from diglot.conditions.index.beside import LookupsBeside
from diglot.conditions.index.gates import Layout
from diglot.conditions.index.lookups import (
    FieldLookup,
    Lookup,
    MovingLookup,
    OrderedLookup,
    PlainLookup,
    RememberedLookup,
    ValueLookup,
    make_core_lookup,
    make_lookup,
    source_of,
)
from diglot.conditions.index.masks import SharedMasks, join_bits, select_items
from diglot.conditions.index.predicates import question_of
from diglot.conditions.index.questions import Reading

# The bytes that kept masks and remembered answers may take for each use of a predicate, and the remembered
# answers of an index at least and at most.
_MEMO_BYTES_OF_A_USE: Final = 1_000
_MIN_MEMO_BYTES: Final = 64_000
_MAX_MEMO_BYTES: Final = 128_000_000
# Finding the object of an equal mask takes 3 us, for which narrower masks are too small.
_SHARED_WIDTH: Final = 8_000
# If more gates are flipped, or if there are more, most look-ups say something about their conditions.
_FEW_FLIPPED: Final = 64
_MOST_WIDENED: Final = 20_000
_NOTHING: Final = (0, 0)


class Matcher:
    """The index of numbered conditions in a time zone. Drafts match no contact, so they have no place in it.

    Threads may ask it at the same time, about views of contacts in this time zone. Masks that it returns have
    the bits of conditions.
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
        self.budget = budget = MemoBudget(_MEMO_BYTES_OF_A_USE * uses_count)
        shared = SharedMasks(self.budget) if layout.width > _SHARED_WIDTH else None
        self._fields = _Fields(readings, Setting(layout.width, zone, self.budget, shared))
        budget.max_bytes = min(max(budget.max_bytes, _MIN_MEMO_BYTES), _MAX_MEMO_BYTES)
        self._beside = LookupsBeside(layout, self._fields.by_source, self._fields.moving)
        self._numbers = [layout.numbers.get(bit, 0) for bit in range(layout.width)]
        # The mask of all conditions.
        self.all = layout.roots

    def mask_of(self, numbers: Iterable[int]) -> int:
        """Return the mask of some conditions."""
        bits = self._layout.bits
        return join_bits((bits[number] for number in numbers if number in bits), self._layout.width)

    def numbers_in(self, mask: int) -> list[int]:
        """Return the numbers of the conditions in a mask."""
        return select_items(self._numbers, mask) if mask else []

    def members(self, view: ContactView, now: int) -> int:
        """Return the mask of the conditions that a contact matches at an instant."""
        fields = self._fields
        shape = fields.attributes.shape_of(view.attribute_keys())
        ruled_out, rest = fields.rule_out(view, shape)
        for lookup in rest:
            ruled_out |= lookup.ask(view, now)
        return self._matching(ruled_out | fields.rule_out_moving(view, shape, now))

    def change(
        self, old: ContactView, new: ContactView, fields: Collection[str], now: int
    ) -> tuple[int, int]:
        """Return the masks of the conditions that a contact enters and leaves by a change of some fields."""
        known = self._fields
        before = after = 0
        left_out: set[str] = set()
        for name in fields:
            for lookup in known.by_name.get(name, ()):
                before |= lookup.ask(old, now)
                after |= lookup.ask(new, now)
                left_out.add(lookup.source)
        if before == after:
            return _NOTHING
        both = 0
        rest: Iterable[Sequence[FieldLookup]]
        if (beside := self._beside.find(left_out)) is not None:
            rest = (beside, ())
        else:
            shape = known.attributes.shape_of(new.attribute_keys(), left_out)
            both, others = known.rule_out(new, shape, left_out)
            rest = ((*self._beside.find_moving(left_out), *shape.moving), others)
        both = self._ask_rest(before ^ after, both, rest, new, now)
        return self._compare(before, after, both)

    def elapse(self, view: ContactView, since: int, until: int) -> tuple[int, int]:
        """Return the masks of the conditions that a contact enters and leaves by time alone."""
        fields = self._fields
        shape = fields.attributes.shape_of(view.attribute_keys())
        before = fields.rule_out_moving(view, shape, since)
        after = fields.rule_out_moving(view, shape, until)
        if before == after:
            return _NOTHING
        both, rest = fields.rule_out(view, shape)
        both = self._ask_rest(before ^ after, both, ((), rest), view, until)
        return self._compare(before, after, both)

    def _ask_rest(
        self, flipped: int, both: int, rest: Iterable[Sequence[FieldLookup]], view: ContactView, now: int
    ) -> int:
        """Return `both`, the gates that are ruled out anyway, with what the rest of the look-ups rules out.

        Only those are asked that say something about conditions of which a flipped gate is not ruled out. The
        rest are the look-ups that cost little, and the others.
        """
        quick, slow = rest
        if quick:
            possible = flipped ^ (flipped & both)
            is_few = self._layout.width <= _MOST_WIDENED and possible.bit_count() <= _FEW_FLIPPED
            wanted = self._layout.widen(possible) if is_few else 0
            for lookup in quick:
                if not is_few or wanted & lookup.touched():
                    both |= lookup.ask(view, now)
        for lookup in slow:
            wanted = self._layout.widen(flipped ^ (flipped & both))
            if wanted & lookup.touched():
                both |= lookup.ask(view, now)
        return both

    def _compare(self, before: int, after: int, both: int) -> tuple[int, int]:
        """Return the conditions entered and left if some gates are ruled out before, after, and at both."""
        layout = self._layout
        flipped = before ^ after
        flipped ^= flipped & both
        if not flipped:
            return _NOTHING
        ruled_out = after & flipped
        if nested := flipped & layout.nested:
            was, is_ = (self._close((side | both) & layout.nested) for side in (before, after))
            flipped ^= nested ^ was ^ is_
            ruled_out ^= (ruled_out & layout.nested) ^ is_
        moved = flipped & layout.roots
        left = moved & (ruled_out ^ layout.inverted)
        return moved ^ left, left

    def _matching(self, ruled_out: int) -> int:
        """Return the conditions that match if look-ups rule gates out."""
        layout = self._layout
        ruled_out |= self._close(ruled_out & layout.nested)
        return layout.roots ^ (layout.roots & ruled_out) ^ layout.inverted

    def _close(self, nested: int) -> int:
        """Return gates with inner ones and those inside of them that are ruled out, also by inner gates."""
        for inner, runs, outer in self._layout.levels:
            nested |= ((inner ^ (inner & nested)) + runs) & outer
        return nested


class _Fields:
    """The look-ups of all fields, those of core fields by what they do.

    The readings with relative dates have look-ups apart from the other ones of their field.
    """

    def __init__(self, readings: Mapping[Reading, Sequence[Asked]], setting: Setting) -> None:
        grouped: defaultdict[tuple[str, bool], list[Lookup]] = defaultdict(list)
        # In the same order for every contact: the processor predicts the branches.
        for reading in sorted(readings, key=lambda reading: (reading.form.name, reading.field)):
            lookup = make_lookup(reading, readings[reading], setting)
            grouped[source_of(reading.field), lookup.is_moving].append(lookup)
        core: list[FieldLookup] = []
        attributes: list[AnyAttributeLookup] = []
        for (source, _), lookups in grouped.items():
            if (key := attribute_key(source)) is None:
                core.append(make_core_lookup(source, lookups, setting))
            else:
                attributes.append(make_attribute_lookup(source, key, lookups, setting))
        self.attributes = AttributeLookups(attributes, setting.budget)
        self.by_source: defaultdict[str, list[FieldLookup]] = defaultdict(list)
        for each in (*core, *attributes):
            self.by_source[each.source].append(each)
        self.by_name = {reading.field: self.by_source[source_of(reading.field)] for reading in readings}
        ordered = (each for each in core if isinstance(each, OrderedLookup))
        self._ordered = [(each.source, each.edges, each.masks, each.missing) for each in ordered]
        self._remembered = [
            (each.source, each.masks.memo, None if isinstance(each, ValueLookup) else each.key_of, each)
            for each in core
            if isinstance(each, RememberedLookup)
        ]
        self._plain = [each for each in core if isinstance(each, PlainLookup)]
        self.moving = {each.source: each for each in core if isinstance(each, MovingLookup)}
        dated = ((source, each.readings) for source, each in self.moving.items())
        self._moving = [(source, each.edges, each.masks, each.others, each.missing) for source, each in dated]

    def rule_out(
        self, view: ContactView, shape: Shape, left_out: Collection[str] = ()
    ) -> tuple[int, list[FieldLookup]]:
        """Return what the fields without relative dates rule out, and the look-ups that have to be asked yet.

        What is found at once is remembered, a position, or an attribute that a contact of this shape lacks.
        Some fields can be left out.
        """
        ruled_out, fields = shape.missing, view.fields
        rest: list[FieldLookup] = (
            [each for each in self._plain if each.source not in left_out] if self._plain else []
        )
        for source, edges, masks, missing in self._ordered:
            if source not in left_out:
                value = fields[source]
                ruled_out |= missing() if value is None else masks[bisect_right(edges, value)]
        for source, memo, key_of, lookup in self._remembered:
            if source not in left_out:
                mask = memo.recent.get(fields[source] if key_of is None else key_of(view))
                if mask is None:
                    rest.append(lookup)
                else:
                    ruled_out |= mask
        return ruled_out | rule_out_by_attributes(view, shape, rest), rest

    def rule_out_moving(self, view: ContactView, shape: Shape, now: int) -> int:
        """Return what the relative dates rule out at an instant, for a contact of a shape."""
        ruled_out, fields = 0, view.fields
        for source, edges, masks, others, missing in self._moving:
            value = fields[source]
            if value is None:
                ruled_out |= missing()
            else:
                ruled_out |= masks[bisect_right(edges, value - now) if edges else 0]
                for mask_of in others:
                    ruled_out |= mask_of(value, now)
        for lookup in shape.moving:
            ruled_out |= lookup.ask(view, now)
        return ruled_out
