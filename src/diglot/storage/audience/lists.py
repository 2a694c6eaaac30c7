"""Rows of lists, and the members of static ones. Behind a dynamic list stands a segment."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    bindparam,
    delete,
    func,
    insert,
    outerjoin,
    select,
    true,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions import text
from diglot.model.lists import ContactList
from diglot.model.pages import Page, Window
from diglot.model.segments import SegmentType
from diglot.model.webhooks import Group
from diglot.storage.audience.segments import SHOWN, segment_of
from diglot.storage.schema import list_members, lists, segments
from diglot.storage.sql.backend import ZERO, Backend, Expression
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

_l = lists.c
_m = list_members.c
_HERE = _l.workspace == bindparam("workspace")
_MEMBER = and_(_m.workspace == bindparam("workspace"), _m.list == bindparam("list"))


def _shown(source: FromClause) -> Select[Any]:
    """Select lists with the number of their rows in list_members and with their segments."""
    s = source.c
    behind = and_(segments.c.workspace == s.workspace, segments.c.segment == s.segment)
    members = (
        select(func.count())
        .select_from(list_members)
        .where(_m.workspace == s.workspace, _m.list == s.list)
        .scalar_subquery()
    )
    shown = (s.list, s.id, s.name, s.description, s.created_at, s.updated_at, members)
    return select(*shown, *SHOWN).select_from(outerjoin(source, segments, behind))


_BY_ID = Statement(_shown(lists).where(_HERE, _l.id == bindparam("id")))
_OF_TYPE: Final[dict[SegmentType | None, Expression]] = {
    None: true(),
    SegmentType.STATIC: _l.segment.is_(None),
    SegmentType.DYNAMIC: _l.segment.is_not(None),
}


def _found(backend: Backend, kind: SegmentType | None, search: bool) -> Expression:
    part = bindparam("search", type_=_l.name_fold.type)
    named = backend.position(_l.name_fold, part) > ZERO if search else true()
    return and_(_HERE, _OF_TYPE[kind], named)


def _page(kind: SegmentType | None, search: bool) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        window = (
            select(lists)
            .where(_found(backend, kind, search))
            .order_by(_l.list.desc())
            .limit(bindparam("limit"))
            .offset(bindparam("offset"))
            .subquery("shown")
        )
        return _shown(window).order_by(window.c.list.desc())

    return BackendStatement(build)


def _count(kind: SegmentType | None, search: bool) -> BackendStatement:
    return BackendStatement(
        lambda backend: select(func.count()).select_from(lists).where(_found(backend, kind, search))
    )


_WAYS: Final = [(kind, search) for kind in _OF_TYPE for search in (False, True)]
_PAGES: Final = {way: _page(*way) for way in _WAYS}
_COUNTS: Final = {way: _count(*way) for way in _WAYS}
_INSERT = Statement(insert(lists))
_UPDATE = Statement(
    update(lists)
    .where(_l.workspace == bindparam("in_workspace"), _l.list == bindparam("at_list"))
    .values({name: bindparam(f"new_{name}") for name in ("name", "name_fold", "description", "updated_at")})
)
_DELETE = tuple(
    Statement(
        delete(table).where(table.c.workspace == bindparam("workspace"), table.c.list == bindparam("list"))
    )
    for table in (list_members, lists)
)
_JOIN = Statement(insert(list_members))
_LEAVE = Statement(delete(list_members).where(_MEMBER, _m.pk == bindparam("pk")))


def _among(backend: Backend) -> ClauseElement:
    wanted = backend.is_any(_m.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
    return select(_m.pk).where(_MEMBER, wanted)


_AMONG = BackendStatement(_among)


def _of_members(*columns: ColumnElement[Any]) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        wanted = backend.is_any(_m.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
        joined = and_(_l.workspace == _m.workspace, _l.list == _m.list)
        found = select(_m.pk, *columns).join(lists, joined)
        return found.where(_m.workspace == bindparam("workspace"), wanted)

    return BackendStatement(build)


_IDS_OF = _of_members(_l.id)
_GROUPS_OF = _of_members(_l.id, _l.name)


def _list(row: Sequence[Any]) -> tuple[ContactList, int]:
    number, id_, name, description, created_at, updated_at, members, *behind = row
    segment = None if behind[0] is None else segment_of(behind)
    return ContactList(number, id_, name, description, segment, created_at, updated_at), members


async def by_id(transaction: Transaction, workspace: int, id_: str) -> tuple[ContactList, int] | None:
    """Return a list by its UUID, and how many contacts were put on it by hand."""
    row = await transaction.row(_BY_ID, {"workspace": workspace, "id": id_})
    return None if row is None else _list(row)


async def page(
    transaction: Transaction, workspace: int, window: Window, kind: SegmentType | None, search: str | None
) -> Page[tuple[ContactList, int]]:
    """Return a window of the lists, newest first, each as `by_id` does; `search` is a part of the name."""
    way = (kind, bool(search))
    values: dict[str, Any] = {"workspace": workspace}
    if search:
        values["search"] = text.fold(search)
    total = await transaction.row(_COUNTS[way], values)
    assert total is not None
    shown = values | {"limit": window.limit, "offset": window.offset}
    return Page([_list(row) for row in await transaction.rows(_PAGES[way], shown)], total[0])


async def insert_list(transaction: Transaction, workspace: int, new: ContactList) -> None:
    """Insert a list; the segment of a dynamic one has a row of its own."""
    values = {
        "workspace": workspace,
        "list": new.number,
        "id": new.id,
        "name": new.name,
        "name_fold": text.fold(new.name),
        "description": new.description,
        "segment": None if new.segment is None else new.segment.number,
        "created_at": new.created_at,
        "updated_at": new.updated_at,
    }
    await transaction.run(_INSERT, values)


async def update_list(transaction: Transaction, workspace: int, changed: ContactList) -> None:
    """Write the name and the description of a list that exists, and when it changed."""
    values = {
        "in_workspace": workspace,
        "at_list": changed.number,
        "new_name": changed.name,
        "new_name_fold": text.fold(changed.name),
        "new_description": changed.description,
        "new_updated_at": changed.updated_at,
    }
    await transaction.run(_UPDATE, values)


async def remove(transaction: Transaction, workspace: int, number: int) -> None:
    """Delete a list and the places on it; contacts stay."""
    for statement in _DELETE:
        await transaction.run(statement, {"workspace": workspace, "list": number})


async def members_among(
    transaction: Transaction, workspace: int, number: int, pks: Sequence[int]
) -> set[int]:
    """Return which of some contacts are on a static list."""
    values = {"workspace": workspace, "list": number, "pks": transaction.backend.encode_list(pks)}
    return {row[0] for row in await transaction.rows(_AMONG, values)}


async def ids_of(transaction: Transaction, workspace: int, pks: Sequence[int]) -> dict[int, list[str]]:
    """Return the ids of the static lists that each of some contacts is on; who is on none is left out."""
    found: dict[int, list[str]] = {}
    values = {"workspace": workspace, "pks": transaction.backend.encode_list(pks)}
    for pk, id_ in await transaction.rows(_IDS_OF, values):
        found.setdefault(pk, []).append(id_)
    return found


async def groups_of(transaction: Transaction, workspace: int, pks: Sequence[int]) -> list[tuple[int, Group]]:
    """Return the static lists that each of some contacts is on, with their names, by contact."""
    values = {"workspace": workspace, "pks": transaction.backend.encode_list(pks)}
    found = [(pk, Group(id_, name)) for pk, id_, name in await transaction.rows(_GROUPS_OF, values)]
    return sorted(found, key=lambda one: (one[0], one[1].id))


async def join(transaction: Transaction, workspace: int, number: int, pks: Sequence[int]) -> None:
    """Put contacts on a static list that they are not on."""
    await transaction.run_many(_JOIN, [{"workspace": workspace, "list": number, "pk": pk} for pk in pks])


async def leave(transaction: Transaction, workspace: int, number: int, pk: int) -> None:
    """Take a contact off a static list."""
    await transaction.run(_LEAVE, {"workspace": workspace, "list": number, "pk": pk})
