"""Tells which conditions match no contact, or every one, whatever a contact holds.

The verdicts are sound and not complete: None stands for a condition whose result depends on the contact, or
of which this module cannot tell.
"""

from collections.abc import Iterator, Sequence
from math import inf
from typing import Final

import msgspec

from diglot.conditions import tree
from diglot.conditions.computed import anniversaries
from diglot.conditions.computed.samples import LARGEST_SAMPLE
from diglot.conditions.computed_fields import Anniversary, Sample, find_computed, kind_of
from diglot.conditions.events.fields import EventField
from diglot.conditions.fields import FIELDS, STATUSES, Field, FieldKind
from diglot.conditions.tree import Op

# A contact has one of few statuses, so a condition is decided for each of them.
_Verdicts = tuple[bool | None, ...]
_NOBODY: Final[_Verdicts] = (False,) * len(STATUSES)
_EVERYBODY: Final[_Verdicts] = (True,) * len(STATUSES)
_UNKNOWN: Final[_Verdicts] = (None,) * len(STATUSES)
_SAMPLE: Final = Field(FieldKind.NUMBER, max_value=LARGEST_SAMPLE)
_COUNT: Final = Field(FieldKind.NUMBER, max_value=inf, is_integer=True)
_ALL_OF: Final = {True: _EVERYBODY, False: _NOBODY, None: _UNKNOWN}


class Judgement(msgspec.Struct, frozen=True):
    """A node of a condition, with the verdicts for each status, and the judgements of a group's items."""

    node: tree.Node
    verdicts: _Verdicts
    parts: tuple["Judgement", ...] = ()

    @property
    def verdict(self) -> bool | None:
        """True if every contact matches, False if none does, else None."""
        return self.verdicts[0] if self.verdicts in (_NOBODY, _EVERYBODY) else None


def judge(node: tree.Node) -> Judgement:
    """Return the judgement of a condition."""
    return Judgement(node, _NOBODY) if tree.is_draft(node) else _judge(node)


def _judge(node: tree.Node) -> Judgement:
    if isinstance(node, tree.Predicate):
        return Judgement(node, _judge_predicate(node))
    if isinstance(node, tree.Not):
        return Judgement(node, tuple(map(_negate, _judge(node.item).verdicts)))
    parts = tuple(map(_judge, node.items))
    return Judgement(node, _judge_group(node, parts), parts)


def _judge_group(node: tree.All | tree.Any, parts: Sequence[Judgement]) -> _Verdicts:
    # One item with this verdict decides the group.
    decisive = isinstance(node, tree.Any)
    if _has_opposites(node.items) or (not decisive and _is_contradiction(node.items)):
        return _ALL_OF[decisive]
    by_status = zip(*(part.verdicts for part in parts), strict=True)
    return tuple(decisive if decisive in one else None if None in one else not decisive for one in by_status)


def _has_opposites(items: Sequence[tree.Node]) -> bool:
    """Tell whether a condition and its negation are among the items."""
    negated = [tree.encode(item.item) for item in items if isinstance(item, tree.Not)]
    return bool(negated) and not {tree.encode(item) for item in items}.isdisjoint(negated)


def _judge_predicate(predicate: tree.Predicate) -> _Verdicts:
    field, op, operand = FIELDS.get(predicate.field), predicate.op, predicate.operand
    if isinstance(operand, tree.Values) and not operand.values:
        return _NOBODY
    if field is None:
        return _ALL_OF[_decide_computed(predicate)]
    if op is Op.IS_SET:
        may_be_empty = field.is_nullable or field.kind in (FieldKind.TAGS, FieldKind.LISTS)
        return _UNKNOWN if may_be_empty else _EVERYBODY
    if field.kind in (FieldKind.CHOICE, FieldKind.BOOLEAN):
        return _judge_status(predicate)
    return _ALL_OF[_decide_number(field, predicate)] if field.kind is FieldKind.NUMBER else _UNKNOWN


def _decide_computed(predicate: tree.Predicate) -> bool | None:
    """Decide a predicate on a computed field; one on an attribute depends on the contact."""
    computed = find_computed(predicate.field)
    if isinstance(computed, Sample):
        return True if predicate.op is Op.IS_SET else _decide_number(_SAMPLE, predicate)
    if isinstance(computed, EventField):
        return _decide_event_field(computed.part, predicate)
    if not isinstance(computed, Anniversary):
        return None
    distances = anniversaries.matching_distances(predicate.op, predicate.operand)
    if not distances:
        return False
    is_never_missing = computed.source in FIELDS and not FIELDS[computed.source].is_nullable
    return True if is_never_missing and distances == anniversaries.EVERY_DISTANCE else None


def _decide_event_field(part: str, predicate: tree.Predicate) -> bool | None:
    """Decide a predicate on a field of events: without events a count and a sum are 0, and not missing."""
    if predicate.op is Op.IS_SET:
        return True if part in ("count", "sum") else None
    return _decide_number(_COUNT, predicate) if part == "count" else None


def _judge_status(predicate: tree.Predicate) -> _Verdicts:
    """Return for each status whether a contact with it meets a rule about `status` or `subscribed`."""
    wanted = {scalar.value for scalar in tree.scalars_of(predicate.operand)}
    is_status = predicate.field == "status"
    return tuple((status if is_status else status == "subscribed") in wanted for status in STATUSES)


def _decide_number(field: Field, predicate: tree.Predicate) -> bool | None:
    verdicts = [_meets_number(field, predicate.op, number) for number in _numbers_of(predicate)]
    if all(verdict is False for verdict in verdicts):
        return False
    return True if True in verdicts and not field.is_nullable else None


def _numbers_of(predicate: tree.Predicate) -> Iterator[float]:
    for scalar in tree.scalars_of(predicate.operand):
        assert isinstance(scalar, tree.Number)
        yield scalar.value


def _meets_number(field: Field, op: Op, number: float) -> bool | None:
    """Tell whether every number that the field may hold has an order to a number, or none has."""
    if op in (Op.GT, Op.LTE):
        greater = True if number < 0 else False if number >= field.max_value else None
        return greater if op is Op.GT else _negate(greater)
    if op in (Op.GTE, Op.LT):
        at_least = True if number <= 0 else False if number > field.max_value else None
        return at_least if op is Op.GTE else _negate(at_least)
    fits = 0 <= number <= field.max_value and not (field.is_integer and number != int(number))
    return None if fits else False


def _negate(verdict: bool | None) -> bool | None:
    return None if verdict is None else not verdict


def _is_contradiction(items: Sequence[tree.Node]) -> bool:
    """Tell whether items require one value of a text or a number to be several."""
    allowed: dict[object, set[object]] = {}
    for item in items:
        if isinstance(item, tree.Predicate) and item.op in (Op.EQUALS, Op.IN) and _has_one_value(item.field):
            values: set[object] = {scalar.value for scalar in tree.scalars_of(item.operand)}
            value_of = item.field, item.where
            allowed[value_of] = allowed.get(value_of, values) & values
    return any(not values for values in allowed.values())


def _has_one_value(name: str) -> bool:
    return kind_of(name) in (FieldKind.TEXT, FieldKind.NUMBER)
