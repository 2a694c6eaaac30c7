"""The condition model: a checked tree that both dialects write, both databases and the oracle read.

A node is a group (`All`, `Any`), a negation (`Not`) or a predicate. Operands carry their type, so no
compiler decides one. A root group without items is a draft: it matches nobody.
"""

import enum
from collections.abc import Iterator
from typing import Final

import msgspec


class Op(enum.StrEnum):
    """The positive operators; a negative one is `Not` over its positive (semantics 3)."""

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


NEGATIVE_WORDS: Final = {
    "not_equals": Op.EQUALS,
    "not_contains": Op.CONTAINS,
    "not_in": Op.IN,
    "is_empty": Op.IS_SET,
}
NEGATIVE_WORD_OF: Final = {op: word for word, op in NEGATIVE_WORDS.items()}
# Every canonical operator word: what it means, and whether it is the complement.
OPERATOR_WORDS: Final = {str(op): (op, False) for op in Op} | {
    word: (op, True) for word, op in NEGATIVE_WORDS.items()
}


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Text in normal form C; an e-mail address also in lower case."""

    value: str


class Number(msgspec.Struct, frozen=True, tag="number"):
    """A 64-bit integer or a finite double."""

    value: int | float


class Boolean(msgspec.Struct, frozen=True, tag="boolean"):
    """True or false."""

    value: bool


class Day(msgspec.Struct, frozen=True, tag="day"):
    """A calendar day `YYYY-MM-DD`; where it begins depends on the workspace's time zone."""

    value: str


class Instant(msgspec.Struct, frozen=True, tag="instant"):
    """Microseconds since 1970-01-01T00:00:00Z."""

    value: int


class Days(msgspec.Struct, frozen=True, tag="days"):
    """A number of days before now."""

    value: int


Scalar = Text | Number | Boolean | Day | Instant


class Values(msgspec.Struct, frozen=True, tag="values"):
    """The values of `in`, in the order as written."""

    values: tuple[Scalar, ...]


Operand = Text | Number | Boolean | Day | Instant | Days | Values | None


class Predicate(msgspec.Struct, frozen=True, tag="predicate"):
    """A leaf. `field` is a name of the catalogue or `attributes.KEY`; `is_set` has no operand."""

    field: str
    op: Op
    operand: Operand = None


class All(msgspec.Struct, frozen=True, tag="all"):
    """True when every item is."""

    items: "tuple[Node, ...]"


class Any(msgspec.Struct, frozen=True, tag="any"):
    """True when at least one item is."""

    items: "tuple[Node, ...]"


class Not(msgspec.Struct, frozen=True, tag="not"):
    """The exact complement of its item."""

    item: "Node"


Node = All | Any | Not | Predicate
DRAFT: Final = All(())


def is_draft(node: Node) -> bool:
    """Tell whether a condition has no rules, and so matches nobody."""
    return isinstance(node, All | Any) and not node.items


def predicates_of(node: Node) -> Iterator[Predicate]:
    """Yield the predicates of a condition in their order, negated ones too."""
    if isinstance(node, Predicate):
        yield node
        return
    for item in (node.item,) if isinstance(node, Not) else node.items:
        yield from predicates_of(item)


def fields_of(node: Node) -> frozenset[str]:
    """Return the fields that a condition mentions: nothing else of a contact can change what it says."""
    return frozenset(predicate.field for predicate in predicates_of(node))


def rules_of(node: Node) -> Iterator[Predicate | Not]:
    """Yield the rules of a condition in their order: predicates, each with the negation that is its own."""
    if isinstance(node, Predicate) or (isinstance(node, Not) and isinstance(node.item, Predicate)):
        yield node
        return
    for item in (node.item,) if isinstance(node, Not) else node.items:
        yield from rules_of(item)


_decoder: msgspec.json.Decoder[Node] = msgspec.json.Decoder(Node)
_encoder = msgspec.json.Encoder()


def encode(node: Node) -> str:
    """Return the stored form of a tree."""
    return _encoder.encode(node).decode()


def decode(stored: str) -> Node:
    """Read the stored form of a tree."""
    return _decoder.decode(stored)
