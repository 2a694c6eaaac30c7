"""Scans of contacts under a condition: pinned to the primary key, compiled once for each shape."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, Select, and_, bindparam, func, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions.tree import Node
from diglot.model.pages import Sort
from diglot.storage.contacts.rows import SHOWN
from diglot.storage.predicates.sql_compiler import Compiled, compile_condition
from diglot.storage.schema import contacts
from diglot.storage.sql.backend import Backend, Expression, Sql
from diglot.storage.sql.statement import ShapedStatement

_MOST_SHAPES: Final = 2_000
_c = contacts.c


# SQLite names the indexes of a table's unique keys by their order.
_INDEXES: Final = {"pk": 1, "email": 2, "id": 3}


def pinned(statement: Select[Any], key: str = "pk") -> Select[Any]:
    """Pin a select of contacts to the index of a key on SQLite, whose planner prefers worse ones.

    It scans by another index where the primary key stands, and by the primary key where a list of ids or
    of addresses is looked up.
    """
    return statement.with_hint(contacts, f"INDEXED BY sqlite_autoindex_contacts_{_INDEXES[key]}", "sqlite")


def _count(where: Expression) -> ClauseElement:
    return pinned(select(func.count()).select_from(contacts)).where(here(), where)


def _page(where: Expression) -> ClauseElement:
    return _windowed(pinned(select(*SHOWN)).where(here(), where))


def _sorted(sort: Sort, where: Expression) -> ClauseElement:
    """Sort keys, then read the contacts of the window: documents do not pass through the sort."""
    wanted = pinned(select(_c.pk, _c[sort.field].label("key"))).where(here(), where)
    chosen = _windowed(_in_order(wanted, _c[sort.field], sort)).subquery("chosen")
    found = pinned(select(*SHOWN)).join(chosen, and_(here(), _c.pk == chosen.c.pk))
    return _in_order(found, chosen.c.key, sort).order_by(chosen.c.pk.desc())


def _in_order(statement: Select[Any], key: Expression, sort: Sort) -> Select[Any]:
    return statement.order_by((key.desc() if sort.descending else key.asc()).nulls_last())


def _ids(where: Expression) -> ClauseElement:
    return _windowed(pinned(select(_c.id)).where(here(), where))


def _after(where: Expression) -> ClauseElement:
    found = pinned(select(*SHOWN)).where(here(), where, _c.pk > bindparam("after"))
    return found.order_by(_c.pk).limit(bindparam("limit"))


def _has(where: Expression) -> ClauseElement:
    return pinned(select(_c.pk)).where(here(), where, _c.pk == bindparam("pk"))


def here() -> Expression:
    """Tell whether a contact is of the workspace that is bound."""
    return _c.workspace == bindparam("workspace")


def _windowed(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(_c.pk.desc()).limit(bindparam("limit")).offset(bindparam("offset"))


COUNT: Final = "count"
PAGE: Final = "page"
IDS: Final = "ids"
AFTER: Final = "after"
HAS: Final = "has"
KEYS: Final = "keys"
_BUILDERS: Final[dict[str, Callable[[Expression], ClauseElement]]] = {
    COUNT: _count,
    PAGE: _page,
    IDS: _ids,
    AFTER: _after,
    HAS: _has,
}
_compiled: OrderedDict[tuple[str, str, str], Sql] = OrderedDict()
_compiling = threading.Lock()


def scan(  # noqa: PLR0913 - what a condition means, and what is asked of it
    purpose: str, node: Node, backend: Backend, now: int, zone: ZoneInfo, *, sort: Sort | None = None
) -> ShapedStatement:
    """Return the statement that counts, pages or lists the contacts of a condition."""
    condition = compile_condition(node, backend, now, zone)
    sql = _once(purpose, backend, condition.shape, condition.where, sort)
    return ShapedStatement(sql, condition.values)


def static_scan(
    purpose: str, backend: Backend, narrowed: Compiled | None = None, sort: Sort | None = None
) -> ShapedStatement:
    """Return the statement over the members of a static segment; it binds their `keys` as a list.

    `narrowed` leaves those for whom a predicate is true too.
    """
    if narrowed is None:
        return ShapedStatement(_once(purpose, backend, "static", _among(backend), sort), {})
    where = and_(_among(backend), narrowed.where)
    return ShapedStatement(_once(purpose, backend, f"static {narrowed.shape}", where, sort), narrowed.values)


def _once(purpose: str, backend: Backend, shape: str, where: Expression, sort: Sort | None) -> Sql:
    named = purpose if sort is None else f"{purpose} {sort}"
    return compiled_once(named, backend, shape, lambda: _built(purpose, backend, where, sort))


def compiled_once(purpose: str, backend: Backend, shape: str, build: Callable[[], ClauseElement]) -> Sql:
    """Return the SQL of a purpose and a shape, which is compiled when it is asked for first."""
    key = (backend.name, purpose, shape)
    sql = _compiled.get(key)
    if sql is None:
        sql = backend.compile(build())
        # Units of work run on several threads.
        with _compiling:
            _compiled[key] = sql
            if len(_compiled) > _MOST_SHAPES:
                _compiled.popitem(last=False)
    return sql


def _built(purpose: str, backend: Backend, where: Expression, sort: Sort | None) -> ClauseElement:
    if sort is not None:
        return _sorted(sort, where)
    if purpose == KEYS:
        return backend.gather(pinned(select(_c.pk)).where(here(), where), _c.pk)
    return _BUILDERS[purpose](where)


def _among(backend: Backend) -> Expression:
    return backend.is_any(_c.pk, [], BigInteger(), lambda _, kind: bindparam("keys", type_=kind))
