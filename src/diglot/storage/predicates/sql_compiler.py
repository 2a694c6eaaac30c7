"""Compiles a condition to a SQL predicate over `contacts`: one function for each kind of field.

Values are always bound and the SQL depends only on the shape of the tree, because each shape is then compiled
once. A predicate on a nullable column may be NULL; a negation is `IS NOT true` over its item, so it is the
exact complement (semantics 1 to 3). `conditions/python_compiler.py` compiles the same tree to Python, and the
rows of tests/spec hold both to the same results.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import BooleanClauseList, and_, bindparam, cast, func, or_, select, true
from sqlalchemy.sql.elements import Grouping

from diglot.conditions import text, tree
from diglot.conditions.computed.event_windows import lower_predicate
from diglot.conditions.computed_fields import is_computed, kind_of
from diglot.conditions.events.fields import is_event_field, is_history_field, parse_event_field
from diglot.conditions.fields import FieldKind, is_integer_field
from diglot.conditions.tree import Op, scalars_of
from diglot.storage.predicates.attributes import compile_attribute
from diglot.storage.predicates.binder import (
    BYTES,
    DOUBLE,
    INTEGER,
    MATCHES_NONE,
    NO_KEY_SETS,
    SHORT_TAG_LIST,
    STRING,
    Asked,
    Binder,
    KeySets,
    bind_integer,
    compare,
    compare_with_now,
    one_of,
    texts_of,
)
from diglot.storage.predicates.events import compile_newest, compile_total
from diglot.storage.predicates.instant_lists import compile_instant_in
from diglot.storage.predicates.token_documents import OPEN, escape_marks
from diglot.storage.schema import contacts, list_members, lists
from diglot.storage.sql.backend import CLOSE, ONE, TRUE, Backend, Expression


class _Bracketed(Grouping[Any]):
    """Brackets that SQLAlchemy does not merge into an AND or OR around them.

    A merged OR is as deep as it has terms, and SQLite refuses an expression that is deeper than 1,000.
    """

    operator = None
    inherit_cache = True


class CompiledCondition(msgspec.Struct, frozen=True):
    """A predicate, its bound values, and its shape: a key that is equal for predicates with equal SQL."""

    where: Expression
    values: dict[str, Any]
    shape: str


class CompiledConditions(msgspec.Struct, frozen=True):
    """The predicates of one statement, in order; their values are bound together."""

    parts: tuple[Expression, ...]
    values: dict[str, Any]
    shape: str


def compile_condition(  # noqa: PLR0913 - a condition's context
    node: tree.Node,
    backend: Backend,
    now: int,
    zone: ZoneInfo,
    key_sets: KeySets = NO_KEY_SETS,
    *,
    asked: Asked = Asked.ALL,
) -> CompiledCondition:
    """Return the predicate of a condition at an instant (microseconds); a draft matches no contact.

    `key_sets` has what SQL cannot compute; see `storage/contacts/key_sets.py`. The shape does not tell of how
    many contacts the condition is `asked`.
    """
    if tree.is_draft(node):
        return CompiledCondition(MATCHES_NONE, {}, "draft")
    binder = Binder(backend, now, zone, key_sets, asked)
    where = _compile_node(node, binder)
    return CompiledCondition(where, binder.values, " ".join(binder.shape))


def compile_conditions(
    nodes: Sequence[tree.Node], backend: Backend, now: int, zone: ZoneInfo, key_sets: KeySets = NO_KEY_SETS
) -> CompiledConditions:
    """Return the predicates of several conditions at an instant, as `compile_condition` does for one."""
    binder = Binder(backend, now, zone, key_sets)
    parts: list[Expression] = []
    for node in nodes:
        draft = tree.is_draft(node)
        binder.shape.append("draft" if draft else "part")
        parts.append(MATCHES_NONE if draft else _compile_node(node, binder))
    return CompiledConditions(tuple(parts), binder.values, " ".join(binder.shape))


def _compile_node(node: tree.Node, binder: Binder) -> Expression:
    return combine_predicates(node, lambda predicate: _compile_predicate(predicate, binder), binder.shape)


def combine_predicates(
    node: tree.Node, leaf: Callable[[tree.Predicate], Expression], shape: list[str]
) -> Expression:
    """Combine the predicates' expressions as the groups and negations of a condition do."""
    if isinstance(node, tree.Predicate):
        return leaf(node)
    if isinstance(node, tree.Not):
        shape.append("not")
        return combine_predicates(node.item, leaf, shape).is_not(TRUE)
    shape.append("all(" if isinstance(node, tree.All) else "any(")
    items = [combine_predicates(item, leaf, shape) for item in node.items]
    shape.append(")")
    return and_(*items) if isinstance(node, tree.All) else or_(*items)


def _compile_predicate(predicate: tree.Predicate, binder: Binder) -> Expression:
    lowered = lower_predicate(predicate)
    if lowered is not predicate:
        return _compile_node(lowered, binder)
    if is_event_field(name := predicate.field) and not is_history_field(name):
        name = f"events {parse_event_field(name).part}"
    elif is_computed(name):
        return _compile_computed(predicate, binder)
    kind = kind_of(predicate.field)
    name = "attribute" if kind is FieldKind.ATTRIBUTE else name
    binder.shape.append(f"{name} {predicate.op} {type(predicate.operand).__name__}")
    compiled = _COMPILERS[kind](predicate, binder)
    return _Bracketed(compiled) if isinstance(compiled, BooleanClauseList) else compiled


def _compile_computed(predicate: tree.Predicate, binder: Binder) -> Expression:
    """Look each contact up among those that match, because SQL cannot compute the field."""
    binder.shape.append("among keys")
    keys = binder.key_sets[tree.encode(predicate)]
    count = bind_integer(8 * len(keys), binder)
    return binder.backend.has_bit(binder.bind(keys, BYTES), count, contacts.c.pk)


def _compile_text(predicate: tree.Predicate, binder: Binder) -> Expression:
    column = contacts.c[predicate.field]
    if predicate.op is Op.IS_SET:
        return _compile_is_not_blank(column, binder)
    if predicate.op is Op.IN:
        return one_of(column, texts_of(predicate.operand), STRING, binder)
    (value,) = texts_of(predicate.operand)
    if predicate.op is Op.EQUALS:
        return column == binder.bind_text(value)
    folded = contacts.c[f"{predicate.field}_fold"]
    part = text.fold_case(value)
    if predicate.op is Op.CONTAINS:
        return binder.contains_part(folded, part)
    if predicate.op is Op.STARTS_WITH:
        return func.substr(folded, ONE, binder.bind_length(part)) == binder.bind_text(part)
    assert predicate.op is Op.ENDS_WITH
    return binder.backend.suffix(folded, binder.bind_length(part)) == binder.bind_text(part)


def _compile_is_not_blank(column: Expression, binder: Binder) -> Expression:
    """Trim only a text that begins with no visible ASCII character, because trimming doubles SQLite's scan.

    Text is compared by code point, so what lies between `!` and `~` begins with one of these characters.
    """
    begins_visibly = column.between(binder.bind_text("!"), binder.bind_text("~"))
    trimmed = func.trim(column, binder.bind_text(text.WHITE_SPACE))
    return or_(begins_visibly, trimmed != binder.bind_text(""))


def _compile_choice(predicate: tree.Predicate, binder: Binder) -> Expression:
    if predicate.op is Op.IS_SET:
        return true()
    return one_of(contacts.c.status, texts_of(predicate.operand), STRING, binder)


def _compile_boolean(predicate: tree.Predicate, binder: Binder) -> Expression:
    if predicate.op is Op.IS_SET:
        return true()
    values = {scalar.value for scalar in scalars_of(predicate.operand) if isinstance(scalar, tree.Boolean)}
    binder.shape.append(str(sorted(values)))
    if len(values) != 1:
        return true() if values else MATCHES_NONE
    subscribed = contacts.c.status == binder.bind_text("subscribed")
    return subscribed if True in values else ~subscribed


def _compile_tags(predicate: tree.Predicate, binder: Binder) -> Expression:
    exact, folded = contacts.c.tags_exact, contacts.c.tags_fold
    if predicate.op is Op.IS_SET:
        return exact != binder.bind_text("")
    values = [escape_marks(value) for value in texts_of(predicate.operand)]
    if predicate.op is Op.IN:
        return _compile_tags_in(values, binder)
    if predicate.op in (Op.EQUALS, Op.CONTAINS):
        return binder.contains_part(exact, f"{OPEN}{values[0]}{CLOSE}")
    part = escape_marks(text.fold_case(texts_of(predicate.operand)[0]))
    marked = {Op.STARTS_WITH: OPEN + part, Op.ENDS_WITH: part + CLOSE}
    return binder.contains_part(folded, marked[predicate.op])


def _compile_tags_in(values: Sequence[str], binder: Binder) -> Expression:
    exact = contacts.c.tags_exact
    if len(values) > SHORT_TAG_LIST:
        binder.shape.append("list")
        return binder.backend.any_part_one_of(exact, CLOSE, [OPEN + value for value in values], binder.bind)
    binder.shape.append(f"{len(values)} values")
    found = [binder.contains_part(exact, f"{OPEN}{value}{CLOSE}") for value in values]
    return or_(*found) if found else MATCHES_NONE


def _compile_lists(predicate: tree.Predicate, binder: Binder) -> Expression:
    members = select(list_members.c.pk).where(list_members.c.workspace == bindparam("workspace"))
    if predicate.op is not Op.IS_SET:
        # Ids have one length, so starts-with and ends-with match only an equal id.
        ids = one_of(lists.c.id, texts_of(predicate.operand), STRING, binder)
        matching_lists = select(lists.c.list).where(lists.c.workspace == bindparam("workspace"), ids)
        members = members.where(list_members.c.list.in_(matching_lists))
    return binder.is_among(contacts.c.pk, members, looks_up=binder.asked is Asked.ONE)


def _compile_number(predicate: tree.Predicate, binder: Binder) -> Expression:
    if is_event_field(predicate.field):
        return compile_total(predicate, binder, compare_number)
    return compare_number(contacts.c[predicate.field], predicate, binder)


def compare_number(column: Expression, predicate: tree.Predicate, binder: Binder) -> Expression:
    """Return whether a number, the value of the field of a predicate, matches it."""
    if predicate.op is Op.IS_SET:
        return column.is_not(None)
    numbers = [scalar.value for scalar in scalars_of(predicate.operand) if isinstance(scalar, tree.Number)]
    if predicate.op is Op.IN:
        return _compile_number_in(
            column, numbers, is_integer=is_integer_field(predicate.field), binder=binder
        )
    (number,) = numbers
    # Stored core numbers are below 2^53, so their doubles compare exactly.
    if is_integer_field(predicate.field):
        column = cast(column, DOUBLE)
    return compare(predicate.op, column, binder.bind(float(number), DOUBLE))


def _compile_number_in(
    column: Expression, numbers: Sequence[float], *, is_integer: bool, binder: Binder
) -> Expression:
    in_range = [number for number in numbers if abs(number) < 2**53]
    if is_integer:
        return one_of(column, [int(n) for n in in_range if n == int(n)], INTEGER, binder)
    return one_of(column, [float(n) for n in in_range], DOUBLE, binder)


def _compile_instant(predicate: tree.Predicate, binder: Binder) -> Expression:
    if isinstance(predicate.operand, tree.Window):
        return compile_newest(predicate, binder)
    if is_event_field(predicate.field):
        return compile_total(predicate, binder, compare_instant)
    return compare_instant(contacts.c[predicate.field], predicate, binder)


def compare_instant(column: Expression, predicate: tree.Predicate, binder: Binder) -> Expression:
    """Return whether an instant, the value of the field of a predicate, matches it."""
    if predicate.op is Op.IS_SET:
        return column.is_not(None)
    operand = predicate.operand
    if isinstance(operand, tree.Duration):
        return compare_with_now(predicate.op, operand, column, binder, bind_integer)
    if predicate.op in (Op.IN, Op.EQUALS):
        return compile_instant_in(column, scalars_of(operand), binder)
    return compare(predicate.op, column, binder.bind(binder.to_instant(operand), INTEGER))


_COMPILERS: Final[dict[FieldKind, Callable[[tree.Predicate, Binder], Expression]]] = {
    FieldKind.TEXT: _compile_text,
    FieldKind.CHOICE: _compile_choice,
    FieldKind.BOOLEAN: _compile_boolean,
    FieldKind.TAGS: _compile_tags,
    FieldKind.LISTS: _compile_lists,
    FieldKind.NUMBER: _compile_number,
    FieldKind.INSTANT: _compile_instant,
    FieldKind.ATTRIBUTE: compile_attribute,
}
