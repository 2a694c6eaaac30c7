"""Rules about windows of events, in terms of instants.

A window asks how many events lie between now minus its length and now. At least N do exactly if the N-th
newest one lies there, and that does not depend on the length. So a rule about a window is *lowered* to
questions about this instant, the derived field `events.NAME.newest.N`, which no rule can name. A derived
field is an instant like any other: the clock, the index of conditions and the compilers need nothing more.

A rule about a sum is lowered to whether the total meets a test. In a window, it is lowered to the instants at
which the test begins or ceases to be met by the sum of all events since (see `histories/sums`).

A rule with `where` is lowered to fields of the events that match, whose names contain what an event has to
match. Groups with equal rules in another order are one such *stream* of events.
"""

from decimal import Decimal
from math import ceil, floor
from typing import Any, Final

from msgspec import UNSET

from diglot.conditions import tree
from diglot.conditions.events.fields import (
    EVENT_PREFIX,
    EventField,
    is_event_field,
    name_history_field,
    parse_event_field,
)
from diglot.conditions.events.sum_tests import read_test, write_test
from diglot.conditions.tree import Op

# Nobody has more events, because each has a number of 63 bits.
_MAX_COUNT: Final = 2**62
_ALWAYS: Final = tree.Predicate("status", Op.IS_SET)
_NEVER: Final = tree.Not(_ALWAYS)


def lower_condition(node: tree.Node) -> tree.Node:
    """Return a condition without windows and `where` that is true of the same contacts at every instant."""
    if isinstance(node, tree.Predicate):
        return lower_predicate(node)
    if isinstance(node, tree.Not):
        item = lower_condition(node.item)
        return node if item is node.item else tree.Not(item)
    items = tuple(map(lower_condition, node.items))
    if all(map(_is, items, node.items)):
        return node
    return tree.All(items) if isinstance(node, tree.All) else tree.Any(items)


def _is(one: Any, other: Any) -> bool:
    return one is other


def lower_predicate(predicate: tree.Predicate) -> tree.Node:
    """Return a predicate, or what it means if it is about a window, or about events that match rules."""
    if not is_event_field(predicate.field):
        return predicate
    field = parse_event_field(predicate.field)
    if predicate.where is not UNSET:
        field = field._replace(where=encode_where(predicate.where))
    if field.part == "sum":
        return _lower_sum(field, predicate)
    if field.window:
        return _lower_window(field, predicate)
    if predicate.where is UNSET:
        return predicate
    return tree.Predicate(name_history_field(field), predicate.op, predicate.operand)


def encode_where(where: tree.All | tree.Any) -> str:
    """Return the stored form of the rules that an event has to match, in one order and each once."""
    items = tuple(item for _, item in sorted({tree.encode(item): item for item in where.items}.items()))
    is_any = isinstance(where, tree.Any) and len(items) > 1
    return tree.encode(tree.Any(items) if is_any else tree.All(items))


def _lower_window(field: EventField, predicate: tree.Predicate) -> tree.Node:
    op = predicate.op
    if op is Op.IS_SET:
        return _ALWAYS
    assert predicate.operand is not None
    numbers = [one.value for one in tree.scalars_of(predicate.operand) if isinstance(one, tree.Number)]
    if op in (Op.EQUALS, Op.IN):
        # One number has no group of its own, because an index has a gate more for each.
        equal = [_is_exactly(field, number) for number in numbers]
        return equal[0] if len(equal) == 1 else tree.Any((_NEVER, *equal))
    (number,) = numbers
    if op in (Op.GT, Op.LTE):
        more = _is_at_least(field, floor(number) + 1)
        return more if op is Op.GT else tree.Not(more)
    at_least = _is_at_least(field, ceil(number))
    return at_least if op is Op.GTE else tree.Not(at_least)


# What is asked of a sum, and whether the rule is its complement.
_SUM_TESTS: Final = {
    Op.GT: ("gt", False),
    Op.LTE: ("gt", True),
    Op.GTE: ("gte", False),
    Op.LT: ("gte", True),
    Op.EQUALS: ("in", False),
    Op.IN: ("in", False),
}


def _lower_sum(field: EventField, predicate: tree.Predicate) -> tree.Node:
    """Return the condition that the total meets a test, or that a test jumped so often within a window."""
    if predicate.op is Op.IS_SET:
        return _ALWAYS
    assert predicate.operand is not None
    word, is_negated = _SUM_TESTS[predicate.op]
    numbers = [one.value for one in tree.scalars_of(predicate.operand) if isinstance(one, tree.Number)]
    asked = field._replace(window=0, test=write_test(word, numbers))
    node: tree.Node
    if field.window:
        jumps = name_history_field(asked._replace(part="jumps"))
        node = tree.Predicate(jumps, Op.IN_LAST_DAYS, tree.Window(field.window))
        is_negated ^= read_test(asked.test).meets(Decimal(0))
    else:
        meets = name_history_field(asked._replace(part="meets"))
        node = tree.Predicate(meets, Op.EQUALS, tree.Number(1))
    return tree.Not(node) if is_negated else node


def _is_exactly(field: EventField, number: float) -> tree.Node:
    if number < 0 or number != floor(number):
        return _NEVER
    count = floor(number)
    is_more = _is_at_least(field, count + 1)
    return tree.All((_is_at_least(field, count), tree.Not(is_more))) if count else tree.Not(is_more)


def _is_at_least(field: EventField, count: int) -> tree.Node:
    """Return the condition that at least so many events lie in the window."""
    if count <= 0:
        return _ALWAYS
    if count > _MAX_COUNT:
        return _NEVER
    newest = f"{EVENT_PREFIX}{field.name}.newest.{count}"
    if field.where:
        newest = name_history_field(EventField(field.name, "newest", place=count, where=field.where))
    return tree.Predicate(newest, Op.IN_LAST_DAYS, tree.Window(field.window))
