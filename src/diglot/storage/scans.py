"""Scans of contacts under a condition: pinned to the primary key, compiled once for each shape."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Select, bindparam, func, insert, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions.tree import Node
from diglot.storage.backends import Backend, Expression, Sql
from diglot.storage.compile import compile_condition
from diglot.storage.contact_rows import SHOWN
from diglot.storage.statement import ShapedStatement
from diglot.storage.tables import contacts, segment_members

_MOST_SHAPES: Final = 2_000
_c = contacts.c


def pinned(statement: Select[Any]) -> Select[Any]:
    """Pin a scan of contacts to the primary key on SQLite, whose planner prefers worse indexes."""
    return statement.with_hint(contacts, "INDEXED BY sqlite_autoindex_contacts_1", "sqlite")


def _count(where: Expression) -> ClauseElement:
    return pinned(select(func.count()).select_from(contacts)).where(_here(), where)


def _page(where: Expression) -> ClauseElement:
    return _windowed(pinned(select(*SHOWN)).where(_here(), where))


def _ids(where: Expression) -> ClauseElement:
    return _windowed(pinned(select(_c.id)).where(_here(), where))


def _keep(where: Expression) -> ClauseElement:
    segment = bindparam("segment", type_=segment_members.c.segment.type).label("segment")
    found = pinned(select(_c.workspace, segment, _c.pk)).where(_here(), where)
    return insert(segment_members).from_select(["workspace", "segment", "pk"], found)


def _here() -> Expression:
    return _c.workspace == bindparam("workspace")


def _windowed(statement: Select[Any]) -> Select[Any]:
    return statement.order_by(_c.pk.desc()).limit(bindparam("limit")).offset(bindparam("offset"))


COUNT: Final = "count"
PAGE: Final = "page"
IDS: Final = "ids"
KEEP: Final = "keep"
_BUILDERS: Final[dict[str, Callable[[Expression], ClauseElement]]] = {
    COUNT: _count,
    PAGE: _page,
    IDS: _ids,
    KEEP: _keep,
}
_compiled: OrderedDict[tuple[str, str, str], Sql] = OrderedDict()
_compiling = threading.Lock()


def scan(purpose: str, node: Node, backend: Backend, now: int, zone: ZoneInfo) -> ShapedStatement:
    """Return the statement that counts, pages, lists or keeps the contacts of a condition."""
    condition = compile_condition(node, backend, now, zone)
    sql = _once(purpose, backend, condition.shape, condition.where)
    return ShapedStatement(sql, condition.values)


def static_scan(purpose: str, backend: Backend) -> ShapedStatement:
    """Return the statement over the kept members of a static segment; it binds `segment`."""
    return ShapedStatement(_once(purpose, backend, "static", _kept()), {})


def _once(purpose: str, backend: Backend, shape: str, where: Expression) -> Sql:
    key = (backend.name, purpose, shape)
    sql = _compiled.get(key)
    if sql is None:
        sql = backend.compile(_BUILDERS[purpose](where))
        # Units of work run on several threads.
        with _compiling:
            _compiled[key] = sql
            if len(_compiled) > _MOST_SHAPES:
                _compiled.popitem(last=False)
    return sql


def _kept() -> Expression:
    members = select(segment_members.c.pk).where(
        segment_members.c.workspace == bindparam("workspace"),
        segment_members.c.segment == bindparam("segment"),
    )
    return _c.pk.in_(members)
