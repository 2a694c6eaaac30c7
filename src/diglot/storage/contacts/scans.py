"""Scans of contacts by condition: pinned to the primary key, and compiled once for each shape."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Select, and_, bindparam, func, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.caches import SharedCache
from diglot.conditions.computed_fields import is_computed
from diglot.conditions.events.fields import is_event_field
from diglot.conditions.tree import Duration, Node, Predicate, Window, encode, predicates_of
from diglot.model.pages import Sort
from diglot.storage.contacts.rows import CONTACT_COLUMNS
from diglot.storage.predicates.binder import NO_KEY_SETS, Asked, KeySets
from diglot.storage.predicates.sql_compiler import CompiledCondition, compile_condition
from diglot.storage.schema import contacts
from diglot.storage.slices import compute_off_loop
from diglot.storage.sql import databases
from diglot.storage.sql.backend import Backend, Expression, Sql
from diglot.storage.sql.statement import ShapedStatement
from diglot.storage.tenant import Tenant

# The bytes of all compiled scans. One of 250 rules takes 0.6 MiB, and clients choose the rules.
_MAX_BYTES: Final = 16 * 1024 * 1024
_BYTES_PER_PARAMETER: Final = 200
_c = contacts.c


# The unique keys of contacts in the order in which the migration creates them.
_KEY_NUMBERS: Final = {"pk": 1, "email": 2, "id": 3}


def pin_to_index(statement: Select[Any], key: str = "pk") -> Select[Any]:
    """Pin a select of contacts to the index of a key where the planner prefers worse ones.

    SQLite's planner scans another index instead of the primary key, and scans the primary key instead of
    looking up a list of ids or addresses.
    """
    return databases.pin_to_index(statement, contacts, _KEY_NUMBERS[key])


def _select_count(where: Expression) -> ClauseElement:
    return pin_to_index(select(func.count()).select_from(contacts)).where(in_workspace(), where)


def _select_page(where: Expression) -> ClauseElement:
    return _limit_to_window(pin_to_index(select(*CONTACT_COLUMNS)).where(in_workspace(), where))


def _select_sorted_page(sort: Sort, where: Expression) -> ClauseElement:
    """Sort the keys, then read the contacts of the window, so that documents do not pass through the sort."""
    keys = pin_to_index(select(_c.pk, _c[sort.field].label("key"))).where(in_workspace(), where)
    chosen = _limit_to_window(_order_by_key(keys, _c[sort.field], sort)).subquery("chosen")
    rows = pin_to_index(select(*CONTACT_COLUMNS)).join(chosen, and_(in_workspace(), _c.pk == chosen.c.pk))
    return _order_by_key(rows, chosen.c.key, sort).order_by(chosen.c.pk.desc())


def _order_by_key(statement: Select[Any], key: Expression, sort: Sort) -> Select[Any]:
    return statement.order_by((key.desc() if sort.descending else key.asc()).nulls_last())


def _select_ids(where: Expression) -> ClauseElement:
    return _limit_to_window(pin_to_index(select(_c.id)).where(in_workspace(), where))


def _select_after(where: Expression) -> ClauseElement:
    rows = pin_to_index(select(*CONTACT_COLUMNS)).where(in_workspace(), where, _c.pk > bindparam("after"))
    return rows.order_by(_c.pk).limit(bindparam("limit"))


def _select_member(where: Expression) -> ClauseElement:
    return pin_to_index(select(_c.pk)).where(in_workspace(), where, _c.pk == bindparam("pk"))


def in_workspace() -> Expression:
    """Return whether a contact belongs to the bound workspace."""
    return _c.workspace == bindparam("workspace")


def _limit_to_window(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(_c.pk.desc()).limit(bindparam("limit")).offset(bindparam("offset"))


COUNT: Final = "count"
PAGE: Final = "page"
IDS: Final = "ids"
AFTER: Final = "after"
HAS: Final = "has"
KEYS: Final = "keys"
# Of how many contacts a condition is asked, if not of all.
_ASKED: Final = {PAGE: Asked.PAGE, IDS: Asked.PAGE, AFTER: Asked.PAGE, HAS: Asked.ONE}
_BUILDERS: Final[dict[str, Callable[[Expression], ClauseElement]]] = {
    COUNT: _select_count,
    PAGE: _select_page,
    IDS: _select_ids,
    AFTER: _select_after,
    HAS: _select_member,
}


def _weigh(_key: tuple[Backend, str, str], sql: Sql) -> int:
    """Return about how many bytes an entry takes: the SQL, its key of about the same length, parameters."""
    return 2 * len(sql.text) + _BYTES_PER_PARAMETER * (len(sql.parameter_names) + len(sql.constants))


# Statements that were built ahead, by the identity of their condition, which an entry keeps alive.
_MAX_BYTES_AHEAD: Final = 8 * 1024 * 1024
_BYTES_PER_CHARACTER: Final = 4
_built_ahead = SharedCache[int, tuple[Node, Backend, ZoneInfo, ShapedStatement]](
    _MAX_BYTES_AHEAD, lambda _, built: _weigh_ahead(built[0], built[3])
)
_compiled_scans = SharedCache[tuple[Backend, str, str], Sql](_MAX_BYTES, _weigh)


def build_scan(  # noqa: PLR0913, PLR0917 - a condition's context and the purpose of the scan
    purpose: str,
    node: Node,
    backend: Backend,
    now: int,
    zone: ZoneInfo,
    key_sets: KeySets = NO_KEY_SETS,
    *,
    sort: Sort | None = None,
) -> ShapedStatement:
    """Return the statement that counts, pages or lists the contacts that match a condition."""
    asked = Asked.ALL if sort else _ASKED.get(purpose, Asked.ALL)
    condition = compile_condition(node, backend, now, zone, key_sets, asked=asked)
    sql = _compile_scan(purpose, backend, condition.shape, condition.where, sort)
    return ShapedStatement(sql, condition.values)


async def prepare_scan(  # noqa: PLR0913, PLR0917 - as above
    tenant: Tenant,
    purpose: str,
    node: Node,
    now: int,
    zone: ZoneInfo,
    key_sets: KeySets,
    *,
    sort: Sort | None = None,
) -> ShapedStatement:
    """Return `build_scan` for a transaction, built off the event loop if the condition has many rules."""
    ahead = _built_ahead.get(id(node)) if purpose == KEYS else None
    if ahead is not None and ahead[0] is node and ahead[1:3] == (tenant.backend, zone):
        return ahead[3]
    build = partial(build_scan, purpose, node, tenant.backend, now, zone, key_sets, sort=sort)
    return await compute_off_loop(tenant, count_rules(node), build)


def build_ahead(node: Node, backend: Backend, zone: ZoneInfo) -> None:
    """Build the statement that finds who matches a condition, for `prepare_scan` of the same object.

    One that depends on the instant, or on what only the transaction knows, is not built.
    """
    if not any(map(_depends_on_transaction, predicates_of(node))):
        statement = build_scan(KEYS, node, backend, 0, zone)
        _built_ahead.put(id(node), (node, backend, zone, statement))


def _depends_on_transaction(predicate: Predicate) -> bool:
    name, operand = predicate.field, predicate.operand
    return isinstance(operand, Duration | Window) or is_computed(name) or is_event_field(name)


def _weigh_ahead(node: Node, statement: ShapedStatement) -> int:
    """Return about how many bytes a condition and its statement take; one value may be a long list."""
    return _BYTES_PER_CHARACTER * len(encode(node)) + _BYTES_PER_PARAMETER * (len(statement.values) + 1)


def count_rules(node: Node) -> int:
    """Return how many rules a condition has, which is what building and compiling its statement costs."""
    return sum(1 for _ in predicates_of(node))


def build_static_scan(
    purpose: str, backend: Backend, restriction: CompiledCondition | None = None, sort: Sort | None = None
) -> ShapedStatement:
    """Return the statement over the members of a static segment; it binds their `keys` as a list.

    A `restriction` selects only the members that also match it.
    """
    if restriction is None:
        return ShapedStatement(_compile_scan(purpose, backend, "static", _key_is_among(backend), sort), {})
    where = and_(_key_is_among(backend), restriction.where)
    return ShapedStatement(
        _compile_scan(purpose, backend, f"static {restriction.shape}", where, sort), restriction.values
    )


def _compile_scan(purpose: str, backend: Backend, shape: str, where: Expression, sort: Sort | None) -> Sql:
    full_purpose = purpose if sort is None else f"{purpose} {sort}"
    return compile_once(
        full_purpose, backend, shape, lambda: _select_for_purpose(purpose, backend, where, sort)
    )


def compile_once(purpose: str, backend: Backend, shape: str, build: Callable[[], ClauseElement]) -> Sql:
    """Return the SQL for a purpose and a shape, compiled at its first use."""
    key = (backend, purpose, shape)
    sql = _compiled_scans.get(key)
    if sql is None:
        sql = backend.compile(build())
        _compiled_scans.put(key, sql)
    return sql


def _select_for_purpose(
    purpose: str, backend: Backend, where: Expression, sort: Sort | None
) -> ClauseElement:
    if sort is not None:
        return _select_sorted_page(sort, where)
    if purpose == KEYS:
        return backend.select_keys(pin_to_index(select(_c.pk)).where(in_workspace(), where), _c.pk)
    return _BUILDERS[purpose](where)


def _key_is_among(backend: Backend) -> Expression:
    return backend.one_of(_c.pk, [], BigInteger(), lambda _, kind: bindparam("keys", type_=kind))
