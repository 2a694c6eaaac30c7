"""Compiles a condition to a SQL predicate over `contacts`: one branch for each kind of field.

Values are always bound and the SQL depends on the shape of the tree only, so that a shape is compiled
once. Every predicate may be NULL on a nullable column; a negation is `IS NOT true` over its item, which
makes it the exact complement (semantics 1 to 3).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import and_, bindparam, cast, func, or_, select, true

from diglot.conditions import text, tree
from diglot.conditions.fields import FIELDS, Kind, kind_of
from diglot.conditions.tree import Op
from diglot.storage.predicates.attributes import attribute
from diglot.storage.predicates.binder import (
    DOUBLE,
    INTEGER,
    NOBODY,
    STRING,
    Binder,
    any_of,
    compare,
    days,
    integer,
    scalars,
    texts,
)
from diglot.storage.predicates.token_documents import CLOSE, OPEN, escape
from diglot.storage.schema import contacts, list_members, lists
from diglot.storage.sql.backend import ONE, Backend, Expression


@dataclass(frozen=True, slots=True)
class Compiled:
    """A predicate, its bound values, and a key that is equal for predicates with equal SQL."""

    where: Expression
    values: dict[str, Any]
    shape: str


@dataclass(frozen=True, slots=True)
class CompiledParts:
    """Several predicates of one statement, in order; their values are bound together."""

    parts: tuple[Expression, ...]
    values: dict[str, Any]
    shape: str


def compile_condition(node: tree.Node, backend: Backend, now: int, zone: ZoneInfo) -> Compiled:
    """Return the predicate of a condition at an instant; a draft is false for everybody."""
    if tree.is_draft(node):
        return Compiled(NOBODY, {}, "draft")
    binder = Binder(backend, now, zone)
    where = _node(node, binder)
    return Compiled(where, binder.values, " ".join(binder.shape))


def compile_parts(nodes: Sequence[tree.Node], backend: Backend, now: int, zone: ZoneInfo) -> CompiledParts:
    """Return the predicates of several conditions at an instant, each as `compile_condition` does."""
    binder = Binder(backend, now, zone)
    parts: list[Expression] = []
    for node in nodes:
        draft = tree.is_draft(node)
        binder.shape.append("draft" if draft else "part")
        parts.append(NOBODY if draft else _node(node, binder))
    return CompiledParts(tuple(parts), binder.values, " ".join(binder.shape))


def _node(node: tree.Node, binder: Binder) -> Expression:
    return combined(node, lambda predicate: _predicate(predicate, binder), binder.shape)


def combined(node: tree.Node, leaf: Callable[[tree.Predicate], Expression], shape: list[str]) -> Expression:
    """Return what groups and negations make of the expressions of their predicates."""
    if isinstance(node, tree.Predicate):
        return leaf(node)
    if isinstance(node, tree.Not):
        shape.append("not")
        return combined(node.item, leaf, shape).is_not(true())
    shape.append("all(" if isinstance(node, tree.All) else "any(")
    items = [combined(item, leaf, shape) for item in node.items]
    shape.append(")")
    return and_(*items) if isinstance(node, tree.All) else or_(*items)


def _predicate(predicate: tree.Predicate, binder: Binder) -> Expression:
    kind = kind_of(predicate.field)
    name = "attribute" if kind is Kind.ATTRIBUTE else predicate.field
    binder.shape.append(f"{name} {predicate.op} {type(predicate.operand).__name__}")
    return _BRANCHES[kind](predicate, binder)


def _text(predicate: tree.Predicate, binder: Binder) -> Expression:
    column = contacts.c[predicate.field]
    if predicate.op is Op.IS_SET:
        return func.trim(column, binder.text(text.WHITE_SPACE)) != binder.text("")
    if predicate.op is Op.IN:
        return any_of(column, texts(predicate.operand), STRING, binder)
    (value,) = texts(predicate.operand)
    if predicate.op is Op.EQUALS:
        return column == binder.text(value)
    folded = contacts.c[f"{predicate.field}_fold"]
    part = text.fold(value)
    if predicate.op is Op.CONTAINS:
        return binder.has(folded, part)
    if predicate.op is Op.STARTS_WITH:
        return func.substr(folded, ONE, binder.length(part)) == binder.text(part)
    return binder.backend.last(folded, binder.length(part)) == binder.text(part)


def _choice(predicate: tree.Predicate, binder: Binder) -> Expression:
    if predicate.op is Op.IS_SET:
        return true()
    return any_of(contacts.c.status, texts(predicate.operand), STRING, binder)


def _boolean(predicate: tree.Predicate, binder: Binder) -> Expression:
    if predicate.op is Op.IS_SET:
        return true()
    wanted = {scalar.value for scalar in scalars(predicate.operand) if isinstance(scalar, tree.Boolean)}
    binder.shape.append(str(sorted(wanted)))
    if len(wanted) != 1:
        return true() if wanted else NOBODY
    subscribed = contacts.c.status == binder.text("subscribed")
    return subscribed if True in wanted else ~subscribed


def _tags(predicate: tree.Predicate, binder: Binder) -> Expression:
    exact, folded = contacts.c.tags_exact, contacts.c.tags_fold
    if predicate.op is Op.IS_SET:
        return exact != binder.text("")
    values = [escape(value) for value in texts(predicate.operand)]
    if predicate.op is Op.IN:
        if not values:
            return NOBODY
        return binder.backend.has_any(exact, [f"{OPEN}{value}{CLOSE}" for value in values], binder.bind)
    if predicate.op in (Op.EQUALS, Op.CONTAINS):
        return binder.has(exact, f"{OPEN}{values[0]}{CLOSE}")
    part = escape(text.fold(texts(predicate.operand)[0]))
    return binder.has(folded, OPEN + part if predicate.op is Op.STARTS_WITH else part + CLOSE)


def _lists(predicate: tree.Predicate, binder: Binder) -> Expression:
    members = select(list_members.c.pk).where(list_members.c.workspace == bindparam("workspace"))
    if predicate.op is not Op.IS_SET:
        # Of two whole ids one starts or ends with the other only when they are equal.
        ids = any_of(lists.c.id, texts(predicate.operand), STRING, binder)
        found = select(lists.c.list).where(lists.c.workspace == bindparam("workspace"), ids)
        members = members.where(list_members.c.list.in_(found))
    return contacts.c.pk.in_(members)


def _number(predicate: tree.Predicate, binder: Binder) -> Expression:
    column: Expression = contacts.c[predicate.field]
    if predicate.op is Op.IS_SET:
        return column.is_not(None)
    numbers = [scalar.value for scalar in scalars(predicate.operand) if isinstance(scalar, tree.Number)]
    if predicate.op is Op.IN:
        return _number_in(column, numbers, whole=FIELDS[predicate.field].whole, binder=binder)
    (number,) = numbers
    # Stored numbers of the catalogue are below 2^53, so that their doubles compare exactly.
    if FIELDS[predicate.field].whole:
        column = cast(column, DOUBLE)
    return compare(predicate.op, column, binder.bind(float(number), DOUBLE))


def _number_in(column: Expression, numbers: Sequence[float], *, whole: bool, binder: Binder) -> Expression:
    found = [number for number in numbers if abs(number) < 2**53]
    if whole:
        return any_of(column, [int(n) for n in found if n == int(n)], INTEGER, binder)
    return any_of(column, [float(n) for n in found], DOUBLE, binder)


def _instant(predicate: tree.Predicate, binder: Binder) -> Expression:
    column = contacts.c[predicate.field]
    if predicate.op is Op.IS_SET:
        return column.is_not(None)
    operand = predicate.operand
    if isinstance(operand, tree.Days):
        return days(predicate.op, operand.value, column, binder, integer)
    if predicate.op in (Op.IN, Op.EQUALS):
        return _instant_in(column, scalars(operand), binder)
    return compare(predicate.op, column, binder.bind(binder.instant(operand), INTEGER))


def _instant_in(column: Expression, scalars: Sequence[tree.Scalar], binder: Binder) -> Expression:
    spans = [binder.span(day) for day in scalars if isinstance(day, tree.Day)]
    instants = [scalar.value for scalar in scalars if isinstance(scalar, tree.Instant)]
    found = any_of(column, instants, INTEGER, binder)
    if not spans:
        return found
    binder.shape.append("spans")
    return or_(found, binder.backend.within_any(column, spans, binder.bind))


_BRANCHES: Final[dict[Kind, Callable[[tree.Predicate, Binder], Expression]]] = {
    Kind.TEXT: _text,
    Kind.CHOICE: _choice,
    Kind.BOOLEAN: _boolean,
    Kind.TAGS: _tags,
    Kind.LISTS: _lists,
    Kind.NUMBER: _number,
    Kind.INSTANT: _instant,
    Kind.ATTRIBUTE: attribute,
}
