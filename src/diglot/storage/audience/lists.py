"""Rows of lists, and the members of static lists. A dynamic list has a segment for its members."""

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
from diglot.model.contacts import ListName
from diglot.model.lists import ContactList
from diglot.model.pages import Page, Window
from diglot.model.segments import SegmentType
from diglot.model.webhooks import AudienceRef
from diglot.storage import bulk
from diglot.storage.audience.segments import SEGMENT_COLUMNS, segment_of
from diglot.storage.schema import list_members, lists, segments
from diglot.storage.sql.backend import ZERO, Backend, Expression
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant

_l = lists.c
_m = list_members.c
_IN_WORKSPACE = _l.workspace == bindparam("workspace")
_OF_LIST = and_(_m.workspace == bindparam("workspace"), _m.list == bindparam("list"))


def _select_lists(source: FromClause) -> Select[Any]:
    """Select lists with the number of their rows in list_members and with their segments.

    Each table is compared with the bound workspace, because a distributed database does not infer it from
    another one inside a subquery.
    """
    s = source.c
    workspace = bindparam("workspace", type_=_l.workspace.type)
    has_segment = and_(segments.c.workspace == workspace, segments.c.segment == s.segment)
    members = (
        select(func.count())
        .select_from(list_members)
        .where(_m.workspace == workspace, _m.list == s.list)
        .scalar_subquery()
    )
    columns = (s.list, s.id, s.name, s.description, s.created_at, s.updated_at, members)
    return select(*columns, *SEGMENT_COLUMNS).select_from(outerjoin(source, segments, has_segment))


_BY_ID = Statement(_select_lists(lists).where(_IN_WORKSPACE, _l.id == bindparam("id")))
_TYPE_FILTERS: Final[dict[SegmentType | None, Expression]] = {
    None: true(),
    SegmentType.STATIC: _l.segment.is_(None),
    SegmentType.DYNAMIC: _l.segment.is_not(None),
}


def _matches_filter(backend: Backend, kind: SegmentType | None, search: bool) -> Expression:
    part = bindparam("search", type_=_l.name_fold.type)
    name_matches = backend.position(_l.name_fold, part) > ZERO if search else true()
    return and_(_IN_WORKSPACE, _TYPE_FILTERS[kind], name_matches)


def _page_statement(kind: SegmentType | None, search: bool) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        window = (
            select(lists)
            .where(_matches_filter(backend, kind, search))
            .order_by(_l.list.desc())
            .limit(bindparam("limit"))
            .offset(bindparam("offset"))
            .subquery("shown")
        )
        return _select_lists(window).order_by(window.c.list.desc())

    return BackendStatement(build)


def _count_statement(kind: SegmentType | None, search: bool) -> BackendStatement:
    return BackendStatement(
        lambda backend: select(func.count()).select_from(lists).where(_matches_filter(backend, kind, search))
    )


def _static_names_statement(search: bool) -> BackendStatement:
    return BackendStatement(
        lambda backend: (
            select(_l.id, _l.name)
            .where(_matches_filter(backend, SegmentType.STATIC, search))
            .order_by(_l.list.desc())
            .limit(bindparam("limit"))
        )
    )


_VARIANTS: Final = [(kind, search) for kind in _TYPE_FILTERS for search in (False, True)]
_PAGES: Final = {way: _page_statement(*way) for way in _VARIANTS}
_COUNTS: Final = {way: _count_statement(*way) for way in _VARIANTS}
_STATIC_NAMES: Final = {search: _static_names_statement(search) for search in (False, True)}
_INSERT = Statement(insert(lists))
_UPDATE = Statement(
    update(lists)
    .where(_l.workspace == bindparam("in_workspace"), _l.list == bindparam("at_list"))
    .values({name: bindparam(f"new_{name}") for name in ("name", "name_fold", "description", "updated_at")})
)
_SET_UPDATED = Statement(
    update(lists)
    .where(_l.workspace == bindparam("in_workspace"), _l.id == bindparam("at_id"))
    .values(updated_at=bindparam("instant"))
)
_DELETES = tuple(
    Statement(
        delete(table).where(table.c.workspace == bindparam("workspace"), table.c.list == bindparam("list"))
    )
    for table in (list_members, lists)
)
_INSERT_MEMBERS = bulk.build_insert(list_members)
_DELETE_MEMBER = Statement(delete(list_members).where(_OF_LIST, _m.pk == bindparam("pk")))


def _select_members_among(backend: Backend) -> ClauseElement:
    wanted = backend.one_of(_m.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
    return select(_m.pk).where(_OF_LIST, wanted)


_MEMBERS_AMONG = BackendStatement(_select_members_among)


def _lists_of_contacts_statement(*columns: ColumnElement[Any]) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        among = backend.one_of(_m.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
        rows = select(_m.pk, *columns).join(lists, and_(_IN_WORKSPACE, _l.list == _m.list))
        return rows.where(_m.workspace == bindparam("workspace"), among)

    return BackendStatement(build)


_LIST_IDS_OF_CONTACTS = _lists_of_contacts_statement(_l.id)
_LISTS_OF_CONTACTS = _lists_of_contacts_statement(_l.id, _l.name)


def _list_of(row: Sequence[Any]) -> tuple[ContactList, int]:
    number, id_, name, description, created_at, updated_at, members, *segment_columns = row
    segment = None if segment_columns[0] is None else segment_of(segment_columns)
    return ContactList(number, id_, name, description, segment, created_at, updated_at), members


async def find_by_id(tenant: Tenant, id_: str) -> tuple[ContactList, int] | None:
    """Return a list by its UUID, with the number of its members if it is static, or None."""
    row = await tenant.fetch_one(_BY_ID, id=id_)
    return None if row is None else _list_of(row)


async def load_page(
    tenant: Tenant, window: Window, kind: SegmentType | None, search: str | None
) -> Page[tuple[ContactList, int]]:
    """Return a window of the lists, newest first, each as `find_by_id` does; `search` is part of a name."""
    way = (kind, bool(search))
    values = {"search": text.fold_case(search)} if search else {}
    total = await tenant.fetch_one(_COUNTS[way], **values)
    assert total is not None
    rows = await tenant.fetch_all(_PAGES[way], **values, limit=window.limit, offset=window.offset)
    return Page([_list_of(row) for row in rows], total[0])


async def load_static_names(tenant: Tenant, search: str | None, limit: int) -> list[ListName]:
    """Return the newest static lists, without their counts; `search` is part of a name."""
    values = {"search": text.fold_case(search)} if search else {}
    rows = await tenant.fetch_all(_STATIC_NAMES[bool(search)], **values, limit=limit)
    return [ListName(id_, name) for id_, name in rows]


async def insert_list(tenant: Tenant, new: ContactList) -> None:
    """Insert a list; the segment of a dynamic list is inserted separately."""
    await tenant.execute(
        _INSERT,
        list=new.number,
        id=new.id,
        name=new.name,
        name_fold=text.fold_case(new.name),
        description=new.description,
        segment=None if new.segment is None else new.segment.number,
        created_at=new.created_at,
        updated_at=new.updated_at,
    )


async def update_list(tenant: Tenant, changed: ContactList) -> None:
    """Update the name, the description and the update time of a list."""
    await tenant.execute(
        _UPDATE,
        at_list=changed.number,
        new_name=changed.name,
        new_name_fold=text.fold_case(changed.name),
        new_description=changed.description,
        new_updated_at=changed.updated_at,
    )


async def set_updated(tenant: Tenant, id_: str, at: int) -> None:
    """Store when a list was last updated, given its UUID."""
    await tenant.execute(_SET_UPDATED, at_id=id_, instant=at)


async def delete_list(tenant: Tenant, number: int) -> None:
    """Delete a list and its memberships; contacts are kept."""
    for statement in _DELETES:
        await tenant.execute(statement, list=number)


async def find_members_among(tenant: Tenant, number: int, pks: Sequence[int]) -> set[int]:
    """Return which of the contacts are on a static list."""
    rows = await tenant.fetch_all(_MEMBERS_AMONG, list=number, pks=tenant.backend.encode_list(pks))
    return {row[0] for row in rows}


async def load_ids_of_contacts(tenant: Tenant, pks: Sequence[int]) -> dict[int, list[str]]:
    """Return the ids of the static lists of each contact; a contact on no list is left out."""
    list_ids: dict[int, list[str]] = {}
    for pk, id_ in await tenant.fetch_all(_LIST_IDS_OF_CONTACTS, pks=tenant.backend.encode_list(pks)):
        list_ids.setdefault(pk, []).append(id_)
    return list_ids


async def load_refs_of_contacts(tenant: Tenant, pks: Sequence[int]) -> list[tuple[int, AudienceRef]]:
    """Return the ids and names of the static lists of each contact, in order of keys."""
    refs = [
        (pk, AudienceRef(id_, name))
        for pk, id_, name in await tenant.fetch_all(_LISTS_OF_CONTACTS, pks=tenant.backend.encode_list(pks))
    ]
    return sorted(refs, key=lambda ref: (ref[0], ref[1].id))


async def add_members(tenant: Tenant, number: int, pks: Sequence[int]) -> None:
    """Add contacts to a static list that does not contain them."""
    await _INSERT_MEMBERS.execute(tenant, [{"list": number, "pk": pk} for pk in pks])


async def remove_member(tenant: Tenant, number: int, pk: int) -> None:
    """Remove a contact from a static list."""
    await tenant.execute(_DELETE_MEMBER, list=number, pk=pk)
