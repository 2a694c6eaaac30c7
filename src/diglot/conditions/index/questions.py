"""What each predicate asks of one form of a field: predicates on the same form are looked up together.

A *reading* is a field in one form: the folded text of `email`, the double of `attributes.ltv`. A *test* is
what a predicate asks of that value. `question_of` divides every predicate into the two, and means what
`python_compiler` means. Four kinds of test are enough for all predicates:

- `AnyOf`: a key of the value is one of some keys. Keys of numbers are bytes made of them, never the numbers,
  because a client can send thousands of numbers with one hash.
- `Within`: the value lies in one of some spans of an order.
- `OnDay`: the value, an instant, lies in the calendar day a number of days ago.
- `HasPart`: a folded text contains a part, or begins or ends with it.
"""

import enum
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from diglot.conditions import dates, text, tree
from diglot.conditions.contact_view import is_big_integer
from diglot.conditions.fields import FieldKind, kind_of
from diglot.conditions.operands import ORDER_OPS
from diglot.conditions.python_runtime import SpanSet
from diglot.conditions.relative_dates import CALENDAR_OPS, offsets
from diglot.conditions.tree import Op, scalars_of

# Text as it is compared, or the bytes of a number.
Key = str | bytes
# The key of a field that is set, in the form PRESENCE.
IS_SET: Final = "set"
_INFINITY: Final = float("inf")
_pack_double: Final = struct.Struct("<d").pack


class Form(enum.Enum):
    """The form of a field that tests of one kind compare, with the type of its value."""

    # Collections of keys, for AnyOf. ELEMENTS are the VALUES of an array.
    PRESENCE = "the key IS_SET, or none"
    EXACT = "texts"
    NUMBERS = "numbers as number_keys gives them"
    VALUES = "texts and numbers"
    ELEMENTS = "texts and numbers of an array"
    # Numbers or None, for Within. A BIG number is what place_of_number returns.
    NUMBER = "a number"
    BIG = "a number next to big integers"
    INSTANT = "an instant in microseconds"
    # An instant or None, for Within. Its spans are distances, from now to the instant.
    DISTANCE = "an instant, compared with now"
    # An instant or None, for OnDay.
    DAY = "an instant, compared with calendar days"
    # FoldedTexts, for HasPart.
    FOLDED = "folded texts"


class Reading(NamedTuple):
    """A field in one form."""

    field: str
    form: Form


class FoldedTexts(NamedTuple):
    """Folded texts of a field; of an array also its elements, because there `contains` compares these."""

    texts: Sequence[str]
    elements: Collection[str] | None = None


class AnyOf(NamedTuple):
    """True if one of the value's keys is one of these."""

    keys: frozenset[Key]


class Cut(NamedTuple):
    """A boundary in an order: just below a constant, or just above it."""

    constant: Any
    is_above: bool

    def position(self, constants: Sequence[Any]) -> int:
        """Return the first position above this boundary among sorted constants; see `position_of`."""
        return 2 * bisect_left(constants, self.constant) + 1 + self.is_above


# None is an open end.
Span = tuple[Cut | None, Cut | None]


class Within(NamedTuple):
    """True if the value lies in one of these spans, which do not overlap."""

    spans: Sequence[Span]

    def constants(self) -> Iterable[Any]:
        """Return the constants at the ends of the spans."""
        return (cut.constant for span in self.spans for cut in span if cut is not None)

    def positions(self, constants: Sequence[Any]) -> list[tuple[int, int]]:
        """Return the spans as positions (the first, and the one after the last) among sorted constants."""
        last = 2 * len(constants) + 1
        return [
            (low.position(constants) if low else 0, high.position(constants) if high else last)
            for low, high in self.spans
        ]


class OnDay(NamedTuple):
    """True if the value lies in the calendar day that many days before today."""

    days: int


class HasPart(NamedTuple):
    """True if a folded text has the part where the operator says; in an array, if an element is `element`.

    `element` is None unless the field is an attribute and the operator `contains`.
    """

    op: Op
    part: str
    element: str | None = None


Test = AnyOf | Within | OnDay | HasPart


class Question(NamedTuple):
    """A predicate as a reading and what it asks of that."""

    reading: Reading
    test: Test


def sort_constants(tests: Iterable[Within]) -> list[Any]:
    """Return the distinct constants of tests in order, without a hash of any of them."""
    constants: list[Any] = []
    for constant in sorted(constant for test in tests for constant in test.constants()):
        if not constants or constants[-1] != constant:
            constants.append(constant)
    return constants


def position_of(value: Any, constants: Sequence[Any]) -> int:
    """Return where a value lies among n sorted distinct constants, from 0 to 2 n.

    The position of constant i is 2 i + 1; a value between two constants has the even number between.
    """
    return bisect_left(constants, value) + bisect_right(constants, value)


def double_key(number: float) -> bytes:
    """Return the key of a number that is no big integer."""
    # The sum turns -0.0 into 0.0.
    return _pack_double(number + 0.0)


def number_keys(number: float) -> tuple[bytes, ...]:
    """Return the keys of a contact's number: one of them is asked for by each number that equals it.

    Two big integers are compared exactly, others as doubles (semantics 12).
    """
    double = double_key(number)
    if is_big_integer(number):
        return b"big %d" % int(number), b"double of big " + double
    return (double,)


def _keys_of_operand(number: float) -> tuple[bytes, ...]:
    """Return the keys of the contacts' numbers that equal the number of an operand."""
    double = double_key(number)
    if is_big_integer(number):
        return double, b"big %d" % int(number)
    return double, b"double of big " + double


def place_of_number(number: float) -> tuple[bool, float]:
    """Return the place of a contact's number in the order of the form BIG, where big integers stay exact."""
    return (True, number) if is_big_integer(number) else (False, float(number))


def question_of(predicate: tree.Predicate, zone: ZoneInfo) -> Question:
    """Return what a predicate asks, in a time zone."""
    form, test = _QUESTIONS[kind_of(predicate.field)](predicate, zone)
    return Question(Reading(predicate.field, form), test)


_FormAndTest = tuple[Form, Test]
_PRESENCE: Final[_FormAndTest] = Form.PRESENCE, AnyOf(frozenset((IS_SET,)))


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


def _compare_days(op: Op, days: int) -> _FormAndTest:
    if op in CALENDAR_OPS:
        return Form.DAY, OnDay(days)
    *low, high = offsets(op, days)
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
        return _PRESENCE
    numbers = _numbers_of(predicate.operand)
    if op is Op.IN:
        return _ask_numbers(Form.NUMBERS, numbers)
    (number,) = numbers
    return _compare(Form.NUMBER, op, float(number))


def _ask_numbers(form: Form, numbers: Iterable[float], texts: Iterable[str] = ()) -> _FormAndTest:
    return _ask_keys(form, [*texts, *(key for number in numbers for key in _keys_of_operand(number))])


def _ask_instant(predicate: tree.Predicate, zone: ZoneInfo) -> _FormAndTest:
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return _PRESENCE
    if isinstance(operand, tree.Days):
        return _compare_days(op, operand.value)
    if op in (Op.EQUALS, Op.IN):
        operands = [scalar for scalar in scalars_of(operand) if isinstance(scalar, tree.Date)]
        spans = SpanSet([dates.operand_to_span(date, zone) for date in operands])
        return Form.INSTANT, Within(_spans_of(zip(spans.starts, spans.ends, strict=True)))
    return _compare_instant(op, operand, zone)


def _compare_instant(op: Op, operand: tree.Operand, zone: ZoneInfo) -> _FormAndTest:
    assert isinstance(operand, tree.Date)
    return _compare(Form.INSTANT, op, dates.operand_to_instant(operand, zone))


def _ask_attribute(predicate: tree.Predicate, zone: ZoneInfo) -> _FormAndTest:
    op, operand = predicate.op, predicate.operand
    if op is Op.IS_SET:
        return _PRESENCE
    if isinstance(operand, tree.Days):
        return _compare_days(op, operand.value)
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
}
