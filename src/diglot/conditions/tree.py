"""The condition tree: both dialects produce it, and the compilers to SQL and Python read it.

A node is a group (`All`, `Any`), a negation (`Not`) or a predicate. Operands carry their type, so no compiler
has to decide one. A root group without items is a draft and matches no contact. An index says which of many
conditions mention a field, or have a relative date.
"""

import enum
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, TypeVar

import msgspec

from diglot.conditions.computed_fields import source_of

K = TypeVar("K")


class Op(enum.StrEnum):
    """The positive operators; a negative operator is `Not` over its positive (semantics 3)."""

    EQUALS = "equals"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    BEFORE = "before"
    AFTER = "after"
    IN = "in"
    IS_SET = "is_set"
    IN_LAST_DAYS = "in_last_days"
    MORE_THAN_DAYS_AGO = "more_than_days_ago"
    EXACTLY_DAYS_AGO = "exactly_days_ago"
    IN_NEXT_DAYS = "in_next_days"
    IN_LAST_HOURS = "in_last_hours"
    MORE_THAN_HOURS_AGO = "more_than_hours_ago"
    IN_NEXT_HOURS = "in_next_hours"


NEGATIVE_WORDS: Final = {
    "not_equals": Op.EQUALS,
    "not_contains": Op.CONTAINS,
    "not_in": Op.IN,
    "is_empty": Op.IS_SET,
}
NEGATIVE_WORD_OF: Final = {op: word for word, op in NEGATIVE_WORDS.items()}
# Every canonical operator name, with its operator and whether it is negated.
OPERATOR_WORDS: Final = {str(op): (op, False) for op in Op} | {
    word: (op, True) for word, op in NEGATIVE_WORDS.items()
}


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Text in normal form C; an e-mail address is also in lower case."""

    value: str


class Number(msgspec.Struct, frozen=True, tag="number"):
    """A 64-bit integer or a finite double."""

    value: int | float


class Boolean(msgspec.Struct, frozen=True, tag="boolean"):
    """True or false."""

    value: bool


class Day(msgspec.Struct, frozen=True, tag="day"):
    """A calendar day `YYYY-MM-DD`, which begins at midnight in the workspace's time zone."""

    value: str


class LocalInstant(msgspec.Struct, frozen=True, tag="local"):
    """An instant without an offset, `YYYY-MM-DDTHH:MM:SS[.ffffff]`, in the time zone of the workspace."""

    value: str


class Instant(msgspec.Struct, frozen=True, tag="instant"):
    """An instant in microseconds since 1970-01-01T00:00:00Z."""

    value: int


class Days(msgspec.Struct, frozen=True, tag="days"):
    """A number of days before or after now."""

    value: int


class Hours(msgspec.Struct, frozen=True, tag="hours"):
    """A number of hours before or after now."""

    value: int


class Window(msgspec.Struct, frozen=True, tag="window"):
    """A length of time before now in microseconds, only in conditions that were lowered to be evaluated."""

    value: int


Date = Day | LocalInstant | Instant
Scalar = Text | Number | Boolean | Date


class Values(msgspec.Struct, frozen=True, tag="values"):
    """The values of `in`, in the order in which they were sent."""

    values: tuple[Scalar, ...]


Duration = Days | Hours | Window
Operand = Scalar | Duration | Values | None


class Predicate(msgspec.Struct, frozen=True, tag="predicate"):
    """A leaf. `field` is a core field, `attributes.KEY` or a computed field; `is_set` has no operand.

    `where` are rules that an event has to match to be counted, whose fields are `attributes.KEY` for the
    properties of events. It is left out of the stored form of all other predicates.
    """

    field: str
    op: Op
    operand: Operand = None
    where: "All | Any | msgspec.UnsetType" = msgspec.UNSET


class All(msgspec.Struct, frozen=True, tag="all"):
    """Matches if every item matches."""

    items: "tuple[Node, ...]"


class Any(msgspec.Struct, frozen=True, tag="any"):
    """Matches if at least one item matches."""

    items: "tuple[Node, ...]"


class Not(msgspec.Struct, frozen=True, tag="not"):
    """Matches exactly if its item does not."""

    item: "Node"


Node = All | Any | Not | Predicate
DRAFT: Final = All(())


def is_draft(node: Node) -> bool:
    """Tell whether a condition has no rules, so that it matches no contact."""
    return isinstance(node, All | Any) and not node.items


def predicates_of(node: Node) -> Iterator[Predicate]:
    """Yield the predicates of a condition in order, including negated ones."""
    if isinstance(node, Predicate):
        yield node
        return
    for item in (node.item,) if isinstance(node, Not) else node.items:
        yield from predicates_of(item)


def count_rules(node: Node) -> int:
    """Return the number of rules of a condition, with those that events have to match."""
    return sum(
        1 if predicate.where is msgspec.UNSET else 1 + len(predicate.where.items)
        for predicate in predicates_of(node)
    )


def fields_of(node: Node) -> frozenset[str]:
    """Return the stored fields that a condition reads; changes of others cannot affect its matches."""
    return frozenset(source_of(predicate.field) for predicate in predicates_of(node))


def rules_of(node: Node) -> Iterator[Predicate | Not]:
    """Yield the rules of a condition in order: its predicates, each with its own negation."""
    if isinstance(node, Predicate) or (isinstance(node, Not) and isinstance(node.item, Predicate)):
        yield node
        return
    for item in (node.item,) if isinstance(node, Not) else node.items:
        yield from rules_of(item)


def scalars_of(operand: Operand) -> tuple[Scalar, ...]:
    """Return the scalars of an operand that is one scalar or a list of them."""
    if isinstance(operand, Values):
        return operand.values
    assert operand is not None
    assert not isinstance(operand, Duration)
    return (operand,)


_decoder: msgspec.json.Decoder[Node] = msgspec.json.Decoder(Node)
_encoder = msgspec.json.Encoder()


def encode(node: Node) -> str:
    """Encode a tree to its stored form."""
    return _encoder.encode(node).decode()


def decode(stored: str) -> Node:
    """Decode a tree from its stored form."""
    return _decoder.decode(stored)


def build_index(
    conditions: Mapping[int, Node], names_of: Callable[[Node], Collection[K]]
) -> dict[K, Sequence[int]]:
    """Return the segments of each name that conditions mention."""
    segments: dict[K, list[int]] = {}
    for number, node in conditions.items():
        for name in names_of(node):
            segments.setdefault(name, []).append(number)
    return {name: tuple(numbers) for name, numbers in segments.items()}


def update_index(
    index: Mapping[K, Sequence[int]],
    before: Mapping[int, Node],
    after: Mapping[int, Node],
    changed: AbstractSet[int],
    names_of: Callable[[Node], Collection[K]],
) -> dict[K, Sequence[int]]:
    """Return an index in which only what changed conditions mention is replaced, because most did not."""
    added = build_index({number: after[number] for number in changed & after.keys()}, names_of)
    removed = build_index({number: before[number] for number in changed & before.keys()}, names_of)
    updated = dict(index)
    for name in added.keys() | removed.keys():
        kept = [number for number in updated.pop(name, ()) if number not in changed]
        if numbers := (*kept, *added.get(name, ())):
            updated[name] = numbers
    return updated
