"""Rows of tags: contacts hold the tag names, and a row counts the contacts that have its name."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import BigInteger, Column, Text, bindparam, delete, func, select, true, update
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions import text
from diglot.model.pages import Page, Window
from diglot.model.tags import Tag
from diglot.storage import bulk
from diglot.storage.schema import tags
from diglot.storage.sql.backend import ZERO, Backend, Expression
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant

_c = tags.c
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_COLUMNS = (
    *(_c.tag, _c.id, _c.name, _c.color, _c.description),
    *(_c.contact_count, _c.created_at, _c.updated_at),
)
_BY_ID = Statement(select(*_COLUMNS).where(_IN_WORKSPACE, _c.id == bindparam("id")))
_BY_NAME = Statement(select(*_COLUMNS).where(_IN_WORKSPACE, _c.name_exact == bindparam("exact")))
_INSERT = bulk.build_insert(tags)
_UPDATED_COLUMNS = ("name", "name_exact", "name_fold", "color", "description", "contact_count", "updated_at")
_UPDATE = Statement(
    update(tags)
    .where(_c.workspace == bindparam("in_workspace"), _c.tag == bindparam("at_tag"))
    .values({name: bindparam(f"new_{name}") for name in _UPDATED_COLUMNS})
)
_DELETE = Statement(delete(tags).where(_IN_WORKSPACE, _c.tag == bindparam("tag")))
_ADD_COUNT = bulk.build_update(
    tags,
    ("name_exact",),
    [Column("more", BigInteger)],
    {"contact_count": lambda sent: _c.contact_count + sent["more"]},
)


def _select_known(backend: Backend) -> ClauseElement:
    wanted = backend.one_of(_c.name_exact, [], Text(), lambda _, kind: bindparam("names", type_=kind))
    return select(_c.name_exact).where(_IN_WORKSPACE, wanted)


_SELECT_KNOWN = BackendStatement(_select_known)


def _name_contains(backend: Backend, search: bool) -> Expression:
    part = bindparam("search", type_=_c.name_fold.type)
    return backend.position(_c.name_fold, part) > ZERO if search else true()


def _page_statement(search: bool) -> BackendStatement:
    return BackendStatement(
        lambda backend: (
            select(*_COLUMNS)
            .where(_IN_WORKSPACE, _name_contains(backend, search))
            .order_by(_c.tag.desc())
            .limit(bindparam("limit"))
            .offset(bindparam("offset"))
        )
    )


def _count_statement(search: bool) -> BackendStatement:
    return BackendStatement(
        lambda backend: (
            select(func.count()).select_from(tags).where(_IN_WORKSPACE, _name_contains(backend, search))
        )
    )


_PAGES: Final = {search: _page_statement(search) for search in (False, True)}
_COUNTS: Final = {search: _count_statement(search) for search in (False, True)}


def _values_of(tag: Tag) -> dict[str, Any]:
    return {
        "name": tag.name,
        "name_exact": tag.exact_name,
        "name_fold": text.fold_case(tag.name),
        "color": tag.color,
        "description": tag.description,
        "contact_count": tag.contact_count,
        "updated_at": tag.updated_at,
    }


async def find_by_id(tenant: Tenant, id_: str) -> Tag | None:
    """Return a tag by its UUID, or None."""
    row = await tenant.fetch_one(_BY_ID, id=id_)
    return None if row is None else Tag(*row)


async def find_by_name(tenant: Tenant, exact: str) -> Tag | None:
    """Return a tag by its name in normal form, or None."""
    row = await tenant.fetch_one(_BY_NAME, exact=exact)
    return None if row is None else Tag(*row)


async def load_page(tenant: Tenant, window: Window, search: str | None) -> Page[Tag]:
    """Return a window of the tags, newest first; `search` is part of a name, ignoring case."""
    values = {"search": text.fold_case(search)} if search else {}
    total = await tenant.fetch_one(_COUNTS[bool(search)], **values)
    assert total is not None
    page = _PAGES[bool(search)]
    rows = await tenant.fetch_all(page, **values, limit=window.limit, offset=window.offset)
    return Page([Tag(*row) for row in rows], total[0])


async def insert_all(tenant: Tenant, new: Sequence[Tag]) -> None:
    """Insert new tags."""
    keys = [{"tag": tag.number, "id": tag.id} for tag in new]
    rows = [
        key | _values_of(tag) | {"created_at": tag.created_at} for key, tag in zip(keys, new, strict=True)
    ]
    await _INSERT.execute(tenant, rows)


async def update_tag(tenant: Tenant, tag: Tag) -> None:
    """Update an existing tag, except for its keys."""
    new = {f"new_{name}": value for name, value in _values_of(tag).items()}
    await tenant.execute(_UPDATE, **new, at_tag=tag.number)


async def delete_tag(tenant: Tenant, number: int) -> None:
    """Delete a tag that no contact has."""
    await tenant.execute(_DELETE, tag=number)


async def find_known_names(tenant: Tenant, names: Sequence[str]) -> set[str]:
    """Return which of the names, given in normal form, have a row."""
    return {row[0] for row in await tenant.fetch_all(_SELECT_KNOWN, names=tenant.backend.encode_list(names))}


async def add_counts(tenant: Tenant, increments: Mapping[str, int]) -> None:
    """Add to the contact counts of tags by their names in normal form; names without a row are ignored."""
    rows = [{"name_exact": exact, "more": increment} for exact, increment in increments.items()]
    await _ADD_COUNT.execute(tenant, rows)
