"""What each predicate asks of one form of a field: predicates on the same form are looked up together.

A *reading* is a field in one form: the folded text of `email`, the double of `attributes.ltv`. A *test* is
what a predicate asks of that value. `predicates.question_of` divides every predicate into the two. Six kinds
of test are enough for all predicates:

- `AnyOf`: a key of the value is one of some keys. Keys of numbers are bytes made of them, never the numbers,
  because a client can send thousands of numbers with one hash.
- `Within`: the value lies in one of some spans of an order.
- `OnDay`: the value, an instant, lies in the calendar day a number of days ago.
- `OnAnniversary`: the value, a month-day, comes round again in one of some numbers of days.
- `OddSince`: of the value, several instants, an odd number lie within a length of time before now.
- `HasPart`: a folded text contains a part, or begins or ends with it.
"""

import enum
import math
import struct
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from diglot.conditions.contact_view import is_big_integer
from diglot.conditions.tree import Op

# Text as it is compared, or the bytes of a number.
Key = str | bytes
# The key of a field that is set, in the form PRESENCE.
IS_SET: Final = "set"
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
    # A month-day or None, for OnAnniversary.
    MONTH_DAY = "the month and day of an instant, compared with today"
    # Instants, the oldest first, or None, for OddSince.
    JUMPS = "instants, compared with now"
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

    @property
    def edge(self) -> Any:
        """The least value above this boundary."""
        return _next_above(self.constant) if self.is_above else self.constant


# None is an open end.
Span = tuple[Cut | None, Cut | None]


class Within(NamedTuple):
    """True if the value lies in one of these spans, which do not overlap."""

    spans: Sequence[Span]

    def edges(self) -> Iterable[Any]:
        """Return the edges at the ends of the spans."""
        return (cut.edge for span in self.spans for cut in span if cut is not None)

    def positions(self, edges: Sequence[Any]) -> list[tuple[int, int]]:
        """Return the spans as positions (the first, and the one after the last) among sorted edges.

        The position of a value is the number of edges up to it.
        """
        end = len(edges) + 1
        return [
            (
                bisect_left(edges, low.edge) + 1 if low else 0,
                bisect_left(edges, high.edge) + 1 if high else end,
            )
            for low, high in self.spans
        ]


class OnDay(NamedTuple):
    """True if the value lies in the calendar day that many days before today."""

    days: int


class OnAnniversary(NamedTuple):
    """True if the days from today until the month-day comes round again are among these distances, a mask."""

    distances: int


class OddSince(NamedTuple):
    """True if an odd number of instants lie at or after now less a length of time in microseconds."""

    length: int


class HasPart(NamedTuple):
    """True if a folded text has the part where the operator says; in an array, if an element is `element`.

    `element` is None unless the field is an attribute and the operator `contains`.
    """

    op: Op
    part: str
    element: str | None = None


# The forms whose answer changes by time alone.
MOVING_FORMS: Final = frozenset({Form.DISTANCE, Form.DAY, Form.MONTH_DAY, Form.JUMPS})
Test = AnyOf | Within | OnDay | OnAnniversary | OddSince | HasPart


class Question(NamedTuple):
    """A predicate as a reading and what it asks of that."""

    reading: Reading
    test: Test


def sort_edges(tests: Iterable[Within]) -> list[Any]:
    """Return the distinct edges of tests in order, without a hash of any of them."""
    edges: list[Any] = []
    for edge in sorted(edge for test in tests for edge in test.edges()):
        if not edges or edges[-1] != edge:
            edges.append(edge)
    return edges


def _next_above(constant: Any) -> Any:
    """Return the least value above a constant among values of its form.

    These are doubles, integers (instants and distances), and what `place_of_number` returns. The integers of
    the form NUMBER stay below 2^53, so that each is a double.
    """
    if isinstance(constant, float):
        return math.nextafter(constant, math.inf)
    if isinstance(constant, int):
        return constant + 1
    is_big, number = constant
    if is_big or number != math.inf:
        return is_big, _next_above(number)
    return True, -math.inf


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


def place_of_number(number: float) -> tuple[bool, float]:
    """Return the place of a contact's number in the order of the form BIG, where big integers stay exact."""
    return (True, number) if is_big_integer(number) else (False, float(number))
