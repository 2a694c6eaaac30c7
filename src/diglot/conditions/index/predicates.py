"""Divides each predicate into the form of a field that it reads and what it asks of that.

A question means what the compiled function of `python_compiler` means, whose branches it follows; the rows of
tests/spec hold both to the same results.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, text, tree
from diglot.conditions.computed.anniversaries import matching_distances
from diglot.conditions.computed_fields import kind_of, source_of
from diglot.conditions.contact_view import is_big_integer
from diglot.conditions.events.fields import is_jumps_field
from diglot.conditions.fields import FieldKind
from diglot.conditions.index.questions import (
    IS_SET,
    AnyOf,
    Cut,
    Form,
    HasPart,
    Key,
    OddSince,
    OnAnniversary,
    OnDay,
    Question,
    Reading,
    Span,
    Test,
    Within,
    double_key,
)
from diglot.conditions.operands import ORDER_OPS
from diglot.conditions.python_runtime import span_set_of
from diglot.conditions.relative_dates import CALENDAR_OPS, offsets
from diglot.conditions.tree import Op, scalars_of


def question_of(predicate: tree.Predicate, zone: ZoneInfo) -> Question:
    """Return what a predicate asks, in a time zone."""
    if (source := source_of(predicate.field)) != predicate.field:
        distances = matching_distances(predicate.op, predicate.operand)
        return Question(Reading(source, Form.MONTH_DAY), OnAnniversary(distances))
    form, test = _QUESTIONS[kind_of(predicate.field)](predicate, zone)
    return Question(Reading(predicate.field, form), test)


_FormAndTest = tuple[Form, Test]
_PRESENCE: Final[_FormAndTest] = Form.PRESENCE, AnyOf(frozenset((IS_SET,)))
# Whether a core number or instant is set is asked together with how it compares: one look-up finds both.
_ANY_VALUE: Final = Within(((None, None),))
_INFINITY: Final = float("inf")


def _texts_of(operand: tree.Operand) -> frozenset[str]:
    return frozenset(scalar.value for scalar in scalars_of(operand) if isinstance(scalar, tree.Text))


def _numbers_of(operand: tree.Operand) -> list[float]:
    return [scalar.value for scalar in scalars_of(operand) if isinstance(scalar, tree.Number)]


def _ask_keys(form: Form, keys: Iterable[Key]) -> _FormAndTest:
    return form, AnyOf(frozenset(keys))


def _ask_folded(op: Op, value_text: str, element: str | None = None) -> _FormAndTest:
    return Form.FOLDED, HasPart(op, text.fold_case(value_text), element)


def _span_of(op: Op, constant: Any) -> Span:
    below, above = Cut(constant, is_above=False), Cut(constant, is_above=True)
    return {
        Op.GT: (above, None),
        Op.AFTER: (above, None),
        Op.GTE: (below, None),
        Op.LT: (None, below),
        Op.BEFORE: (None, below),
        Op.LTE: (None, above),
        Op.EQUALS: (below, above),
    }[op]


def _compare(form: Form, op: Op, constant: float) -> _FormAndTest:
    return form, Within((_span_of(op, constant),))


def _compare_with_now(op: Op, duration: tree.Duration) -> _FormAndTest:
    if op in CALENDAR_OPS:
        return Form.DAY, OnDay(duration.value)
    *low, high = offsets(op, duration)
    return Form.DISTANCE, Within(_spans_of([(low[0] if low else None, high)]))


def _spans_of(spans: Iterable[tuple[int | None, int]]) -> Sequence[Span]:
    """Return spans whose begin is included and whose end is not."""
    return [
        (None if begin is None else Cut(begin, is_above=False), Cut(end, is_above=False))
        for begin, end in spans
    ]


def _ask_text(predicate: tree.Predicate, _zone: ZoneInfo) -> _FormAndTest:
    op = predicate.op
    if op is Op.IS_SET:
        return _PRESENCE
    values = _texts_of(predicate.operand)
    if op in (Op.EQUALS, Op.IN):
        return _ask_keys(Form.EXACT, values)
    (value_text,) = values
    return _ask_folded(op, value_text)


def _ask_choice(predicate: tree.Predicate, _zone: ZoneInfo) -> _FormAndTest:
    return _PRESENCE if predicate.op is Op.IS_SET else _ask_keys(Form.EXACT, _texts_of(predicate.operand))


def _ask_boolean(predicate: tree.Predicate, _zone: ZoneInfo) -> _FormAndTest:
    if predicate.op is Op.IS_SET:
        return _PRESENCE
    values = [scalar.value for scalar in scalars_of(predicate.operand) if isinstance(scalar, tree.Boolean)]
    return _ask_keys(Form.EXACT, map(text.scalar_to_text, values))


def _ask_tags(predicate: tree.Predicate, _zone: ZoneInfo) -> _FormAndTest:
    op = predicate.op
    if op is Op.IS_SET:
        return _PRESENCE
    values = _texts_of(predicate.operand)
    if op in (Op.EQUALS, Op.CONTAINS, Op.IN):
        return _ask_keys(Form.EXACT, values)
    (value_text,) = values
    return _ask_folded(op, value_text)


def _ask_number(predicate: tree.Predicate, _zone: ZoneInfo) -> _FormAndTest:
    op = predicate.op
    if op is Op.IS_SET:
        return Form.NUMBER, _ANY_VALUE
    numbers = _numbers_of(predicate.operand)
    if op is Op.IN:
        return _ask_numbers(Form.NUMBERS, numbers)
    (number,) = numbers
    return _compare(Form.NUMBER, op, float(number))


def _ask_numbers(form: Form, numbers: Iterable[float], texts: Iterable[str] = ()) -> _FormAndTest:
    return _ask_keys(form, [*texts, *(key for number in numbers for key in _keys_of_operand(number))])


def _keys_of_operand(number: float) -> tuple[bytes, ...]:
    """Return the keys of the contacts' numbers that equal the number of an operand."""
    double = double_key(number)
    if is_big_integer(number):
        return double, b"big %d" % int(number)
    return double, b"double of big " + double


def _ask_instant(predicate: tree.Predicate, zone: ZoneInfo) -> _FormAndTest:
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return Form.INSTANT, _ANY_VALUE
    if is_jumps_field(predicate.field):
        assert isinstance(operand, tree.Window)
        return Form.JUMPS, OddSince(operand.value)
    if isinstance(operand, tree.Duration):
        return _compare_with_now(op, operand)
    if op in (Op.EQUALS, Op.IN):
        spans = span_set_of(operand, zone)
        return Form.INSTANT, Within(_spans_of(zip(spans.starts, spans.ends, strict=True)))
    return _compare_instant(op, operand, zone)


def _compare_instant(op: Op, operand: tree.Operand, zone: ZoneInfo) -> _FormAndTest:
    assert isinstance(operand, tree.Date)
    return _compare(Form.INSTANT, op, dates.operand_to_instant(operand, zone))


def _ask_attribute(predicate: tree.Predicate, zone: ZoneInfo) -> _FormAndTest:
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return _PRESENCE
    if isinstance(operand, tree.Duration):
        return _compare_with_now(op, operand)
    if op in (Op.EQUALS, Op.IN):
        return _ask_attribute_values(scalars_of(operand))
    if isinstance(operand, tree.Date):
        return _compare_instant(op, operand, zone)
    if op in ORDER_OPS:
        assert isinstance(operand, tree.Number)
        return _compare_attribute(op, operand.value)
    return _ask_attribute_part(op, operand)


def _compare_attribute(op: Op, number: float) -> _FormAndTest:
    if not is_big_integer(number):
        return _compare(Form.NUMBER, op, float(number))
    # The doubles lie below the big integers in this order, so each part of it has a span of its own.
    limit = Cut((False, _INFINITY), is_above=True)
    low, high = _span_of(op, (False, float(number)))
    low_big, high_big = _span_of(op, (True, number))
    return Form.BIG, Within(((low, high or limit), (low_big or limit, high_big)))


def _ask_attribute_values(scalars: Sequence[tree.Scalar]) -> _FormAndTest:
    texts = [
        text.scalar_to_text(scalar.value)
        for scalar in scalars
        if isinstance(scalar, tree.Text | tree.Boolean)
    ]
    numbers = [scalar.value for scalar in scalars if isinstance(scalar, tree.Number)]
    if not numbers:
        return _ask_keys(Form.EXACT, texts)
    return _ask_numbers(Form.VALUES if texts else Form.NUMBERS, numbers, texts)


def _ask_attribute_part(op: Op, operand: tree.Operand) -> _FormAndTest:
    if isinstance(operand, tree.Number):
        return _ask_numbers(Form.ELEMENTS, [operand.value])
    assert isinstance(operand, tree.Text | tree.Boolean)
    value_text = text.scalar_to_text(operand.value)
    if isinstance(operand, tree.Boolean):
        return _ask_keys(Form.ELEMENTS, [value_text])
    return _ask_folded(op, value_text, value_text if op is Op.CONTAINS else None)


_QUESTIONS: Final[dict[FieldKind, Callable[[tree.Predicate, ZoneInfo], _FormAndTest]]] = {
    FieldKind.TEXT: _ask_text,
    FieldKind.CHOICE: _ask_choice,
    FieldKind.BOOLEAN: _ask_boolean,
    FieldKind.TAGS: _ask_tags,
    # Ids have one length, so that starts-with and ends-with match only an equal id.
    FieldKind.LISTS: _ask_choice,
    FieldKind.NUMBER: _ask_number,
    FieldKind.INSTANT: _ask_instant,
    FieldKind.ATTRIBUTE: _ask_attribute,
    FieldKind.SEGMENTS: _ask_choice,
}
