"""Scans walk the primary key, and their SQL depends only on the shape of the condition."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import closing
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from diglot.conditions import tree
from diglot.conditions.computed_fields import is_computed
from diglot.model.pages import Sort
from diglot.storage.contacts import address_prefix, dry_run_counts, queries, scans
from diglot.storage.predicates.binder import SHORT_LIST, SHORT_TAG_LIST, KeySets
from diglot.storage.predicates.sql_compiler import CompiledCondition, compile_condition
from diglot.storage.sql.backend import Backend, Sql
from diglot.storage.sql.databases import DATABASES
from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.sql.statement import ShapedStatement
from support import canonical, engines, random_conditions, spec_data

UTC = ZoneInfo("UTC")
LISTS = tuple(spec_data.population().lists.values())
PURPOSES = (scans.COUNT, scans.PAGE, scans.IDS, scans.AFTER, scans.HAS, scans.KEYS)
BACKENDS = pytest.mark.parametrize(
    "backend", [one.load() for one in DATABASES], ids=lambda backend: backend.name
)
PINNED = "INDEXED BY sqlite_autoindex_contacts_1"
ALLOWED = {
    "SEARCH contacts USING PRIMARY KEY (workspace=?)",
    "SEARCH contacts USING PRIMARY KEY (workspace=? AND pk=?)",
    "SEARCH contacts USING PRIMARY KEY (workspace=? AND pk>?)",
    # A set of keys ends at its last one.
    "SEARCH contacts USING PRIMARY KEY (workspace=? AND pk<?)",
    "SEARCH contacts USING PRIMARY KEY (workspace=? AND pk>? AND pk<?)",
}
INSTANT = "2026-01-01T00:00:00Z"
# No two of them meet.
DAYS = [f"{year}-{month:02}-01" for year in range(2000, 2010) for month in range(1, 13)]
LISTED: Sequence[tuple[str, Sequence[Any], Sequence[Any]]] = (
    ("first_name", ["a"], ["a", "b", "c"]),
    ("status", ["bounced"], ["bounced", "complained"]),
    ("tags", ["a"], ["a", "b", "c"]),
    ("lists", [LISTS[0]], LISTS),
    ("total_opens", [1], [1, 2, 50.5, "4"]),
    ("engagement_score", [1], [0.1, 2, 50.5, 99.99, "0.3"]),
    ("total_spent", [0.1], [0.01, 2, 50.5, 99.99, "0.3", 2**51 + 0.5]),
    ("created_at", [INSTANT], ["2026-01-01T00:00", "2025-01-01 00:00:00.5+01:00"]),
    ("created_at", DAYS[:70], DAYS),
    ("created_at", [*DAYS, INSTANT], [INSTANT, *DAYS[:70]]),
    ("attributes.a", ["a"], ["a", "", "c", True]),
    ("attributes.a", [1], [1, 2.5, -0.0, 1e-7]),
    ("attributes.a", [2**53], [2**53 + 1, 2**63 - 1]),
)


@pytest_asyncio.fixture
async def connection() -> AsyncIterator[sqlite3.Connection]:
    """Open a migrated file on the driver itself."""
    async with engines.SQLITE.fresh() as url:
        with closing(sqlite3.connect(parse_sqlite_path(url))) as connection:
            yield connection


def plan(connection: sqlite3.Connection, sql: Sql) -> list[str]:
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", [1] * len(sql.parameter_names))
    return [row[3] for row in rows]


def other_steps(connection: sqlite3.Connection, sql: Sql) -> set[str]:
    """Return the steps of a plan that are no walk along the primary key of contacts."""
    assert PINNED in sql.text
    return {step for step in plan(connection, sql) if " contacts" in step or "B-TREE" in step} - ALLOWED


def key_sets_of(*nodes: tree.Node) -> KeySets:
    """Return some keys for each predicate that SQL cannot compute."""
    predicates = [predicate for node in nodes for predicate in tree.predicates_of(node)]
    return {tree.encode(one): b"\5" for one in predicates if is_computed(one.field)}


def scan(purpose: str, node: tree.Node, sort: Sort | None = None) -> ShapedStatement:
    return scans.build_scan(purpose, node, SQLITE, 0, UTC, key_sets_of(node), sort=sort)


def dynamic(purpose: str, node: tree.Node) -> Sql:
    return scan(purpose, node).sql_for(SQLITE)


# Conditions on rows of other tables.
ON_OTHERS: Final = (
    {"field": "lists", "operator": "is_set"},
    {"field": "events.a.count", "operator": "gte", "operand": 1},
    {"field": "events.a.count", "operator": "lt", "operand": 5},
    {"field": "events.a.last_at", "operator": "is_set"},
    {"field": "events.a.count.30d", "operator": "gte", "operand": 5},
)


@pytest.mark.parametrize("rule", ON_OTHERS, ids=str)
async def test_one_contact_is_looked_up(rule: Mapping[str, Any], connection: sqlite3.Connection) -> None:
    """Whether one contact matches is no question about all rows of another table; a count is."""
    for node in (canonical.read(rule), tree.Not(canonical.read(rule))):
        of_one, of_all = (plan(connection, dynamic(purpose, node)) for purpose in (scans.HAS, scans.COUNT))
        assert not [step for step in of_one if step.startswith("LIST SUBQUERY")]
        assert [step for step in of_one if "pk=?" in step and not step.startswith("SEARCH contacts")]
        assert [step for step in of_all if step.startswith("LIST SUBQUERY")]


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_every_predicate_walks_the_primary_key(purpose: str, connection: sqlite3.Connection) -> None:
    """No predicate makes the planner use another index, or sort."""
    predicates = list(random_conditions.every_predicate(Random(1), LISTS))
    nodes = [canonical.read(predicate, "UTC") for predicate in predicates]
    results = {tree.encode(node): other_steps(connection, dynamic(purpose, node)) for node in nodes}
    assert {node: steps for node, steps in results.items() if steps} == {}


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_every_condition_walks_the_primary_key(purpose: str, connection: sqlite3.Connection) -> None:
    """A tree of predicates, a draft included, does not either."""
    conditions = [random_conditions.condition(Random(seed), LISTS) for seed in range(100)]
    nodes = [tree.DRAFT, *(canonical.read(condition, "UTC") for condition in conditions)]
    results = {tree.encode(node): other_steps(connection, dynamic(purpose, node)) for node in nodes}
    assert {node: steps for node, steps in results.items() if steps} == {}


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_static_segments_walk_the_primary_key(purpose: str, connection: sqlite3.Connection) -> None:
    """The stored members of a segment lead to their contacts by primary key."""
    assert other_steps(connection, scans.build_static_scan(purpose, SQLITE).sql_for(SQLITE)) == set()


SORTS = [Sort(field, descending) for field in ("engagement_score", "email") for descending in (True, False)]
# The keys may be sorted; the contacts of the window are sorted once more.
SORTING = {"USE TEMP B-TREE FOR ORDER BY", "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY"}


@pytest.mark.parametrize("sort", SORTS)
async def test_a_sort_walks_the_primary_key(sort: Sort, connection: sqlite3.Connection) -> None:
    """No order makes the planner use the index of addresses, which mixes workspaces."""
    conditions = [
        canonical.read(random_conditions.condition(Random(seed), LISTS), "UTC") for seed in range(20)
    ]
    statements = [scan(scans.PAGE, node, sort) for node in conditions]
    narrowed = compile_condition(conditions[0], SQLITE, 0, UTC, key_sets_of(conditions[0]))
    statements += [scans.build_static_scan(scans.PAGE, SQLITE, also, sort) for also in (None, narrowed)]
    results = [other_steps(connection, statement.sql_for(SQLITE)) - SORTING for statement in statements]
    assert set().union(*results) == set()


async def test_lists_of_keys_are_looked_up(connection: sqlite3.Connection) -> None:
    """Ids and addresses in a list lead to their contacts by their own indexes."""
    for statement, key in [
        (queries.SELECT_BY_EMAILS, "email"),
        (queries.SELECT_BY_IDS, "id"),
    ]:
        steps = plan(connection, statement.sql_for(SQLITE))
        walked = [step for step in steps if " contacts " in step]
        assert [step.partition(" (")[2] for step in walked] == [f"{key}=? AND workspace=?)"]


def compile_uncached(condition: Any, backend: Backend) -> tuple[CompiledCondition, Sql]:
    """Compile without the cache of shapes."""
    node = canonical.read(condition, "UTC")
    result = compile_condition(node, backend, 0, UTC, key_sets_of(node))
    return result, backend.compile(result.where)


@BACKENDS
def test_one_shape_is_one_statement(backend: Backend) -> None:
    """Conditions with an equal shape have equal SQL, because the cache would otherwise mix them up."""
    conditions = [random_conditions.condition(Random(seed), LISTS, depth=1) for seed in range(500)]
    conditions += [
        predicate for seed in range(2) for predicate in random_conditions.every_predicate(Random(seed), LISTS)
    ]
    statements: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for condition in conditions:
        found, sql = compile_uncached(condition, backend)
        statements.setdefault(found.shape, set()).add((sql.text, sql.parameter_names))
    assert {shape: texts for shape, texts in statements.items() if len(texts) > 1} == {}


@BACKENDS
@pytest.mark.parametrize(("field", "few", "others"), LISTED)
def test_a_long_list_of_any_length_is_one_statement(
    backend: Backend, field: str, few: Sequence[Any], others: Sequence[Any]
) -> None:
    """Many values of `in` are one parameter: their number is not part of the SQL."""
    one = compile_uncached({"field": field, "operator": "in", "operand": [*few] * 40}, backend)
    other = compile_uncached({"field": field, "operator": "in", "operand": [*others] * 50}, backend)
    assert (one[0].shape, one[1].text, one[1].parameter_names) == (
        other[0].shape,
        other[1].text,
        other[1].parameter_names,
    )


@BACKENDS
@pytest.mark.parametrize(("field", "few", "others"), LISTED)
def test_few_values_are_compared_one_by_one(
    backend: Backend, field: str, few: Sequence[Any], others: Sequence[Any]
) -> None:
    """The values of a short list are bound as scalars, because a list parameter costs more."""
    for listed in (few, others):
        operand = [*listed[:SHORT_LIST]]
        found, _ = compile_uncached({"field": field, "operator": "in", "operand": operand}, backend)
        assert not any(
            isinstance(value, list) or str(value).startswith("[") for value in found.values.values()
        )


@BACKENDS
def test_lists_of_other_lengths_have_other_shapes(backend: Backend) -> None:
    """Each number of values that are compared one by one has a shape of its own, and so has a long list."""
    shapes = {
        compile_uncached({"field": "tags", "operator": "in", "operand": ["a"] * number}, backend)[0].shape
        for number in range(SHORT_TAG_LIST + 3)
    }
    assert len(shapes) == SHORT_TAG_LIST + 2


@BACKENDS
def test_no_value_is_in_the_statement(backend: Backend) -> None:
    """Keys and operands are bound parameters, whatever they contain."""
    nasty = "Robert'); DROP TABLE contacts;--"
    condition = {"field": f"attributes.{nasty}", "operator": "equals", "operand": nasty}
    found, sql = compile_uncached(condition, backend)
    assert "DROP" not in sql.text
    assert any(nasty in str(value) for value in found.values.values())


def condition_pairs(number: int) -> list[dry_run_counts.DryRunQuestion]:
    """Return pairs of random conditions with few predicates, so that shapes and predicates repeat."""
    results = []
    for seed in range(number):
        rng = Random(seed)
        fields = rng.sample(("email", "tags", "attributes.a", "lists", "last_opened_at", "sample"), 2)
        again = Random(seed % 20)
        few = [
            canonical.read(random_conditions.predicate(again, field, ids=LISTS), "UTC") for field in fields
        ]
        condition, current = group_at_random(rng, few, 3), rng.choice((tree.DRAFT, few[0]))
        key_sets = key_sets_of(condition, current)
        rules = tuple(tree.rules_of(condition))
        results.append(dry_run_counts.DryRunQuestion(condition, current, 0, UTC, key_sets, rules))
    return results


def group_at_random(rng: Random, few: Sequence[tree.Node], depth: int) -> tree.Node:
    """Group some predicates at random; the root may be a draft."""
    if depth == 3 and rng.random() < 0.1:
        return tree.DRAFT
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(few)
    if rng.random() < 0.2:
        return tree.Not(group_at_random(rng, few, depth - 1 if depth < 3 else 2))
    items = tuple(group_at_random(rng, few, min(depth, 3) - 1) for _ in range(rng.randint(1, 3)))
    return rng.choice((tree.All, tree.Any))(items)


async def test_a_dry_run_scans_once_and_evaluates_each_predicate_once(connection: sqlite3.Connection) -> None:
    """All counts come from one walk along the primary key, over flags that are computed there."""
    for question in condition_pairs(100):
        asked = dry_run_counts.build_count_statement(question, SQLITE)
        sql = SQLITE.compile(asked.build())
        assert other_steps(connection, sql) == set()
        steps = plan(connection, sql)
        assert len([step for step in steps if " contacts " in step]) == 1
        assert "CO-ROUTINE flags" in steps
        assert "?" not in sql.text.partition("FROM (")[0], "a predicate is outside of the flags"


@BACKENDS
def test_one_shape_of_a_dry_run_is_one_statement(backend: Backend) -> None:
    """Groups of the same predicates in another order have another shape."""
    statements: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for question in condition_pairs(400):
        asked = dry_run_counts.build_count_statement(question, backend)
        sql = backend.compile(asked.build())
        statements.setdefault(asked.shape, set()).add((sql.text, sql.parameter_names))
    assert len(statements) < 400, "no shape occurred twice"
    assert {shape: texts for shape, texts in statements.items() if len(texts) > 1} == {}


def test_the_beginning_of_an_address_is_looked_up(connection: sqlite3.Connection) -> None:
    """The index of addresses has the order of the page, so nothing is sorted."""
    steps = plan(connection, address_prefix.PAGE_BY_PREFIX.sql_for(SQLITE))
    assert steps == ["SEARCH contacts USING INDEX sqlite_autoindex_contacts_2 (email>? AND email<?)"]
