"""Counts for dry runs: one scan counts the matches of an unsaved condition, its changes and its rules."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import Subquery, and_, case, func, select, true
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions import tree
from diglot.model.contacts import Contact
from diglot.storage.contacts import scans
from diglot.storage.contacts.rows import contact_of
from diglot.storage.predicates.binder import MATCHES_NONE, KeySets
from diglot.storage.predicates.sql_compiler import CompiledConditions, combine_predicates, compile_conditions
from diglot.storage.schema import contacts
from diglot.storage.slices import compute_off_loop
from diglot.storage.sql.backend import ONE, ZERO, Backend, Expression
from diglot.storage.sql.statement import ShapedStatement
from diglot.storage.tenant import Tenant

_PURPOSE: Final = "dry counts"
_CURRENT_FLAG: Final = "is_current"


class DryRunQuestion(msgspec.Struct, frozen=True):
    """An unsaved condition and the current one that it would replace, at an instant (microseconds).

    `rules` are evaluated alone, each with those of the segments that it references. `key_sets` are those of
    all.
    """

    condition: tree.Node
    current: tree.Node
    now: int
    zone: ZoneInfo
    key_sets: KeySets
    rules: tuple[tree.Node, ...]

    @property
    def predicates(self) -> dict[str, tree.Predicate]:
        """The predicates of what is counted, without duplicates, by their stored form."""
        nodes = (self.condition, *self.rules)
        return {tree.encode(predicate): predicate for node in nodes for predicate in tree.predicates_of(node)}

    @property
    def entering(self) -> tree.Node:
        """The condition of contacts that would enter."""
        return _and_not(self.condition, self.current)

    @property
    def leaving(self) -> tree.Node:
        """The condition of contacts that would leave."""
        return _and_not(self.current, self.condition)


def _and_not(node: tree.Node, other: tree.Node) -> tree.Node:
    # A draft matches no contact, but only if it is a whole condition, so it cannot stand inside All.
    if tree.is_draft(node) or tree.is_draft(other):
        return node
    return tree.All((node, tree.Not(other)))


class DryRunCounts(msgspec.Struct, frozen=True):
    """How many contacts match each part of a question, all counted in one scan.

    `rules` are the counts of the question's rules, in order.
    """

    total: int
    current: int
    entering: int
    leaving: int
    rules: tuple[int, ...]


async def count_matches(tenant: Tenant, question: DryRunQuestion) -> DryRunCounts:
    """Count all parts of a question in one statement."""
    condition, current = question.condition, question.current
    if tree.is_draft(current) and not question.predicates:
        return DryRunCounts(0, 0, 0, 0, tuple(0 for _ in question.rules))
    rule_count = scans.count_rules(condition) + scans.count_rules(current)
    statement = await compute_off_loop(tenant, rule_count, partial(_compile_counts, question, tenant.backend))
    row = await tenant.fetch_one(statement, **statement.values)
    assert row is not None
    total, members, entering, leaving, *rules = row
    assert total == members + entering - leaving, "the counts of one scan contradict each other"
    return DryRunCounts(total, members, entering, leaving, tuple(rules))


def _compile_counts(question: DryRunQuestion, backend: Backend) -> ShapedStatement:
    statement = build_count_statement(question, backend)
    sql = scans.compile_once(_PURPOSE, backend, statement.shape, statement.build)
    return ShapedStatement(sql, statement.values)


class CountStatement(msgspec.Struct, frozen=True):
    """The counting statement: its bound values, its builder, and a key that is equal for equal SQL."""

    shape: str
    values: dict[str, Any]
    build: Callable[[], ClauseElement]


def build_count_statement(question: DryRunQuestion, backend: Backend) -> CountStatement:
    """Return the statement that counts for a question in which at least one condition is no draft."""
    predicates = question.predicates
    nodes = [*predicates.values(), question.current]
    compiled = compile_conditions(nodes, backend, question.now, question.zone, question.key_sets)
    names = {key: f"is_{number}" for number, key in enumerate(predicates)}
    # A predicate that occurs twice is one flag, so the place of each flag is part of the shape.
    places: list[str] = []

    def place(predicate: tree.Predicate) -> Expression:
        places.append(names[tree.encode(predicate)])
        return MATCHES_NONE

    for node in (question.condition, *question.rules):
        places.append("part")
        _combine_condition(node, place, places)
    shape = f"{compiled.shape} {' '.join(places)}"
    return CountStatement(shape, compiled.values, lambda: _select_counts(question, compiled, names))


def _combine_condition(
    condition: tree.Node, leaf: Callable[[tree.Predicate], Expression], shape: list[str]
) -> Expression:
    return MATCHES_NONE if tree.is_draft(condition) else combine_predicates(condition, leaf, shape)


def _select_counts(
    question: DryRunQuestion, compiled: CompiledConditions, names: Mapping[str, str]
) -> ClauseElement:
    flags = _select_flags(compiled, [*names.values(), _CURRENT_FLAG])
    is_current = flags.c[_CURRENT_FLAG] == ONE

    def match(node: tree.Node) -> Expression:
        return _combine_condition(node, lambda predicate: flags.c[names[tree.encode(predicate)]] == ONE, [])

    would_match = match(question.condition)
    filters = (
        would_match,
        is_current,
        and_(would_match, is_current.is_not(true())),
        and_(is_current, would_match.is_not(true())),
        *map(match, question.rules),
    )
    return select(*(func.count().filter(condition) for condition in filters)).select_from(flags)


def _select_flags(compiled: CompiledConditions, names: list[str]) -> Subquery:
    """Select 1 or 0 for each part and contact.

    The offset stops the databases from inlining the parts in place of the flags, so each part is evaluated
    once.
    """
    parts = zip(compiled.parts, names, strict=True)
    columns = [case((part, ONE), else_=ZERO).label(name) for part, name in parts]
    flags = scans.pin_to_index(select(*columns).select_from(contacts)).where(scans.in_workspace())
    return flags.offset(ZERO).subquery("flags")


async def load_newest(
    tenant: Tenant, question: DryRunQuestion, node: tree.Node, max_count: int
) -> list[Contact]:
    """Return up to `max_count` of the newest contacts that match a condition; 0 costs no query."""
    if max_count == 0:
        return []
    statement = await scans.prepare_scan(
        tenant, scans.PAGE, node, question.now, question.zone, question.key_sets
    )
    rows = await tenant.fetch_all(statement, **statement.values, limit=max_count, offset=0)
    return [contact_of(row) for row in rows]
