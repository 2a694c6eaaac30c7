"""What the rows of segments say about the active segments of a workspace, and which of it changed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from diglot.conditions import tree
from diglot.conditions.analysis.segment_references import MENTION, referenced_ids
from diglot.conditions.computed.event_windows import lower_condition
from diglot.model.segments import SegmentType
from diglot.model.webhooks import AudienceRef
from diglot.storage.sql.engine import Row

# The bytes of a segment, of a rule (its objects, its places in the indexes, what they remember), and of a
# character of a condition.
_BYTES_OF_A_SEGMENT: Final = 1_000
_BYTES_OF_A_RULE: Final = 2_000
_BYTES_OF_A_CHARACTER: Final = 3


class StoredForm(NamedTuple):
    """The stored form of a condition: its hash, and an estimate of the bytes that the condition takes."""

    digest: int
    weight: int

    @classmethod
    def of_text(cls, stored: str) -> "StoredForm":
        """Return the form of a stored condition."""
        # Quotes within values are escaped, so that only rules count.
        rules = stored.count('"type":"predicate"')
        return cls(hash(stored), _BYTES_OF_A_CHARACTER * len(stored) + _BYTES_OF_A_RULE * rules)


@dataclass(slots=True)
class SegmentRows:
    """The rows of segments by number; see `ActiveSegments` for the parts.

    `forms` has the stored form of each condition, `ids` the id of each segment, `named` the ids of segments
    that the rules of some name, and `weight` is the estimate of the bytes of all of it.
    """

    conditions: dict[int, tree.Node] = field(default_factory=dict)
    static: set[int] = field(default_factory=set)
    stored: set[int] = field(default_factory=set)
    pending: set[int] = field(default_factory=set)
    segment_refs: dict[int, AudienceRef] = field(default_factory=dict)
    list_refs: dict[int, AudienceRef] = field(default_factory=dict)
    forms: dict[int, StoredForm] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    named: dict[int, Sequence[str]] = field(default_factory=dict)
    weight: int = _BYTES_OF_A_SEGMENT

    def replace(self, numbers: Collection[int], rows: Sequence[Row]) -> tuple["SegmentRows", frozenset[int]]:
        """Return a copy with the current rows of some segments, and the segments with another condition.

        Conditions are compared in their stored form, because 5 and 5.0 are equal in Python but two operands.
        Of these segments, those without a row do not exist any more.
        """
        changed = SegmentRows(
            self.conditions.copy(),
            self.static.difference(numbers),
            self.stored.difference(numbers),
            self.pending.difference(numbers),
            self.segment_refs.copy(),
            self.list_refs.copy(),
            self.forms.copy(),
            self.ids.copy(),
            self.named.copy(),
            self.weight,
        )
        for number in self.stored.intersection(numbers):
            changed._forget(number)
        return changed, changed._add(rows, self)

    def _forget(self, number: int) -> None:
        self.weight -= _BYTES_OF_A_SEGMENT
        del self.ids[number]
        self.conditions.pop(number, None)
        self.named.pop(number, None)
        self.segment_refs.pop(number, None)
        self.list_refs.pop(number, None)
        if number in self.forms:
            self.weight -= self.forms.pop(number).weight

    def _add(self, rows: Sequence[Row], earlier: "SegmentRows") -> frozenset[int]:
        """Add rows; return the segments whose condition is not the one that the earlier object has."""
        added: set[int] = set()
        for number, id_, name, kind, stored, members, list_, list_id, invalid, rules in rows:
            self.stored.add(number)
            self.ids[number] = id_
            if MENTION in rules:
                self.named[number] = referenced_ids(tree.decode(rules))
            self.weight += _BYTES_OF_A_SEGMENT
            if list_ is None:
                self.segment_refs[number] = AudienceRef(id_, name)
            elif list_id is not None:
                # A dynamic list has the same name as the segment behind it.
                self.list_refs[number] = AudienceRef(list_id, name)
            if kind == SegmentType.STATIC:
                self.static.add(number)
            elif invalid is None and self._add_condition(number, stored, earlier):
                added.add(number)
            if members is None and number in self.conditions:
                self.pending.add(number)
        return frozenset(added)

    def _add_condition(self, number: int, stored: str, earlier: "SegmentRows") -> bool:
        """Add a condition unless it is a draft; tell whether it is another one than the earlier one."""
        form = StoredForm.of_text(stored)
        is_other = earlier.forms.get(number) != form
        node = lower_condition(tree.decode(stored)) if is_other else earlier.conditions[number]
        if tree.is_draft(node):
            return False
        self.conditions[number], self.forms[number] = node, form
        self.weight += form.weight
        return is_other
