"""What a condition that is not stored would find, counted in one scan, and who is newest among them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Subquery, and_, case, func, select, true
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions import tree
from diglot.model.contacts import Contact
from diglot.storage.contacts import scans
from diglot.storage.contacts.rows import contact_of
from diglot.storage.predicates.binder import MATCHES_NONE
from diglot.storage.predicates.sql_compiler import (
    CompiledConditions,
    combine_predicates,
    compile_conditions,
)
from diglot.storage.schema import contacts
from diglot.storage.sql.backend import ONE, ZERO, Backend, Expression
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import ShapedStatement

_PURPOSE: Final = "dry counts"
_CURRENT_FLAG: Final = "is_current"


@dataclass(frozen=True, slots=True)
class DryRunQuestion:
    """A condition that is tried and the one that it would replace, at an instant in a time zone."""

    workspace: int
    condition: tree.Node
    current: tree.Node
    now: int
    zone: ZoneInfo

    @property
    def entering(self) -> tree.Node:
        """Whom the condition would bring in."""
        return _and_not(self.condition, self.current)

    @property
    def leaving(self) -> tree.Node:
        """Whom it would put out."""
        return _and_not(self.current, self.condition)


def _and_not(node: tree.Node, other: tree.Node) -> tree.Node:
    # A draft matches nobody, but only where it is the whole of a condition.
    if tree.is_draft(node) or tree.is_draft(other):
        return node
    return tree.All((node, tree.Not(other)))


@dataclass(frozen=True, slots=True)
class DryRunCounts:
    """How many contacts each part of a question is true of, all of one scan.

    `rules` are those of the condition that is tried, in its order, each asked alone.
    """

    total: int
    current: int
    entering: int
    leaving: int
    rules: tuple[int, ...]


async def count_matches(transaction: Transaction, question: DryRunQuestion) -> DryRunCounts:
    """Count everything that is asked, in one statement."""
    condition, current = question.condition, question.current
    if tree.is_draft(condition) and tree.is_draft(current):
        return DryRunCounts(0, 0, 0, 0, ())
    named = _predicates_by_stored_form(condition)
    asked = build_count_statement(question, transaction.backend)
    sql = scans.compile_once(_PURPOSE, transaction.backend, asked.shape, asked.build)
    values = asked.values | {"workspace": question.workspace}
    row = await transaction.fetch_one(ShapedStatement(sql, asked.values), values)
    assert row is not None
    everybody, total, members, entering, leaving, *flags = row
    assert total == members + entering - leaving, "the counts of one scan contradict each other"
    met = dict(zip(named, flags, strict=True))
    rules = tuple(_count_rule(rule, met, everybody) for rule in tree.rules_of(condition))
    return DryRunCounts(total, members, entering, leaving, rules)


def _predicates_by_stored_form(condition: tree.Node) -> dict[str, tree.Predicate]:
    """Return the predicates of a condition, each once, by their stored form."""
    return {tree.encode(one): one for one in tree.predicates_of(condition)}


def _count_rule(rule: tree.Predicate | tree.Not, met: Mapping[str, int], everybody: int) -> int:
    if isinstance(rule, tree.Not):
        return everybody - met[tree.encode(rule.item)]
    return met[tree.encode(rule)]


@dataclass(frozen=True, slots=True)
class CountStatement:
    """The statement that counts: its values, what makes it, and a key that is equal where its SQL is."""

    shape: str
    values: dict[str, Any]
    build: Callable[[], ClauseElement]


def build_count_statement(question: DryRunQuestion, backend: Backend) -> CountStatement:
    """Return the statement that answers a question, of which at least one condition is no draft."""
    named = _predicates_by_stored_form(question.condition)
    nodes = [*named.values(), question.current]
    compiled = compile_conditions(nodes, backend, question.now, question.zone)
    names = {key: f"is_{number}" for number, key in enumerate(named)}
    # The same predicate in two places is one flag: where each stands is part of the SQL.
    places: list[str] = []

    def place(predicate: tree.Predicate) -> Expression:
        places.append(names[tree.encode(predicate)])
        return MATCHES_NONE

    _combine_condition(question.condition, place, places)
    shape = f"{compiled.shape} {' '.join(places)}"
    return CountStatement(shape, compiled.values, lambda: _select_counts(question.condition, compiled, names))


def _combine_condition(
    condition: tree.Node, leaf: Callable[[tree.Predicate], Expression], shape: list[str]
) -> Expression:
    return MATCHES_NONE if tree.is_draft(condition) else combine_predicates(condition, leaf, shape)


def _select_counts(
    condition: tree.Node, compiled: CompiledConditions, names: Mapping[str, str]
) -> ClauseElement:
    flags = _select_flags(compiled, [*names.values(), _CURRENT_FLAG])
    is_current = flags.c[_CURRENT_FLAG] == ONE
    wanted = _combine_condition(condition, lambda one: flags.c[names[tree.encode(one)]] == ONE, [])
    counted = (
        wanted,
        is_current,
        and_(wanted, is_current.is_not(true())),
        and_(is_current, wanted.is_not(true())),
        *(flags.c[name] == ONE for name in names.values()),
    )
    return select(func.count(), *(func.count().filter(each) for each in counted)).select_from(flags)


def _select_flags(compiled: CompiledConditions, names: list[str]) -> Subquery:
    """Select 1 or 0 for each part and contact.

    The offset keeps databases from putting the parts in the place of the flags: each is evaluated once.
    """
    parts = zip(compiled.parts, names, strict=True)
    columns = [case((part, ONE), else_=ZERO).label(name) for part, name in parts]
    found = scans.pin_to_index(select(*columns).select_from(contacts)).where(scans.in_workspace())
    return found.offset(ZERO).subquery("flags")


async def load_newest(
    transaction: Transaction, question: DryRunQuestion, node: tree.Node, most: int
) -> list[Contact]:
    """Return the newest contacts of a condition, at most so many; none costs nothing."""
    if most == 0:
        return []
    statement = scans.build_scan(scans.PAGE, node, transaction.backend, question.now, question.zone)
    values = statement.values | {"workspace": question.workspace, "limit": most, "offset": 0}
    return [contact_of(row) for row in await transaction.fetch_all(statement, values)]
