"""Rows of segments."""

from collections.abc import Collection, Coroutine, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from diglot.caches import SharedCache
from diglot.conditions import text, tree
from diglot.conditions.relative_dates import NEVER
from diglot.model.pages import Page, Window
from diglot.model.segments import Condition, DeletedReference, OriginalText, Rules, Segment, SegmentType
from diglot.model.webhooks import AudienceRef
from diglot.storage.schema import (
    deleted_segments,
    lists,
    membership_log_counts,
    membership_log_sums,
    pending_members,
    segment_chunks,
    segments,
    workspaces,
)
from diglot.storage.sql.backend import ZERO, Backend, Expression
from diglot.storage.sql.engine import Engine, Row
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant, fetch_point
from diglot.storage.workspaces import STATE_COLUMNS, WorkspaceState, state_of_row
from diglot.storage.write_unit import WriteUnit

_c = segments.c
SEGMENT_COLUMNS = (
    *(_c.segment, _c.id, _c.name, _c.description, _c.type, _c.dialect, _c.original_text, _c.tree),
    *(_c.revision, _c.last_calculated_at, _c.created_at, _c.updated_at, _c.members, _c.next_change_at),
    *(_c.history_since_entry, _c.invalid),
)
# The segment of a dynamic list is not listed as a segment.
_VISIBLE_IN_WORKSPACE = and_(_c.workspace == bindparam("workspace"), _c.list.is_(None))
_BY_ID = Statement(select(*SEGMENT_COLUMNS).where(_VISIBLE_IN_WORKSPACE, _c.id == bindparam("id")))
_BY_ID_WITH_STATE = Statement(
    select(*SEGMENT_COLUMNS, *(workspaces.c[name] for name in STATE_COLUMNS))
    .join(workspaces, workspaces.c.workspace == bindparam("workspace"))
    .where(_VISIBLE_IN_WORKSPACE, _c.id == bindparam("id"))
)
_BY_NUMBER_WITH_STATE = Statement(
    select(*SEGMENT_COLUMNS, *(workspaces.c[name] for name in STATE_COLUMNS))
    .join(workspaces, workspaces.c.workspace == bindparam("workspace"))
    .where(_c.workspace == bindparam("workspace"), _c.segment == bindparam("segment"))
)
_COUNT = Statement(select(func.count()).select_from(segments).where(_VISIBLE_IN_WORKSPACE))
_PAGE = Statement(
    select(*SEGMENT_COLUMNS)
    .where(_VISIBLE_IN_WORKSPACE)
    .order_by(_c.segment.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_INSERT = Statement(insert(segments))
_UPDATED_COLUMNS = (
    *("name", "name_fold", "description", "dialect", "original_text", "tree", "revision"),
    *("last_calculated_at", "updated_at", "invalid"),
)
_UPDATE = Statement(
    update(segments)
    .where(_c.workspace == bindparam("in_workspace"), _c.segment == bindparam("at_segment"))
    .values({name: bindparam(f"new_{name}") for name in _UPDATED_COLUMNS})
)
_SET_LAST_CALCULATED = Statement(
    update(segments)
    .where(_c.workspace == bindparam("in_workspace"), _c.segment == bindparam("at_segment"))
    .values(last_calculated_at=bindparam("instant"))
)
_DELETE = Statement(
    delete(segments).where(_c.workspace == bindparam("workspace"), _c.segment == bindparam("segment"))
)
_DELETE_MEMBERSHIP = tuple(
    Statement(
        delete(table).where(
            table.c.workspace == bindparam("workspace"), table.c.segment == bindparam("segment")
        )
    )
    for table in (segment_chunks, membership_log_sums, membership_log_counts, pending_members)
)
_KEEP_DELETED_ID = Statement(
    insert(deleted_segments).from_select(
        ["workspace", "segment", "id", "last_entry"],
        select(_c.workspace, _c.segment, _c.id, bindparam("last_entry", type_=BigInteger)).where(
            _VISIBLE_IN_WORKSPACE, _c.segment == bindparam("segment")
        ),
    )
)


def _ids_statement(table: Table, *where: ColumnElement[bool]) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        number = table.c.segment
        wanted = backend.one_of(number, [], Integer(), lambda _, kind: bindparam("numbers", type_=kind))
        return select(number, table.c.id).where(table.c.workspace == bindparam("workspace"), wanted, *where)

    return BackendStatement(build)


def _select_mentioning(backend: Backend) -> ClauseElement:
    has_list = and_(lists.c.workspace == bindparam("workspace"), lists.c.list == _c.list)
    mentions = backend.position(_c.tree, bindparam("mention", type_=_c.tree.type)) > ZERO
    return (
        select(*SEGMENT_COLUMNS, lists.c.id, lists.c.name)
        .join(lists, has_list, isouter=True)
        .where(_c.workspace == bindparam("workspace"), mentions)
        .order_by(_c.segment)
    )


_MENTIONING = BackendStatement(_select_mentioning)
_IDS = _ids_statement(segments, _c.list.is_(None))
_DELETED_IDS = _ids_statement(deleted_segments)


def _name_contains(backend: Backend) -> Expression:
    return backend.position(_c.name_fold, bindparam("search", type_=_c.name_fold.type)) > ZERO


_SEARCH_COUNT = BackendStatement(
    lambda backend: (
        select(func.count()).select_from(segments).where(_VISIBLE_IN_WORKSPACE, _name_contains(backend))
    )
)
_SEARCH_PAGE = BackendStatement(
    lambda backend: (
        select(*SEGMENT_COLUMNS)
        .where(_VISIBLE_IN_WORKSPACE, _name_contains(backend))
        .order_by(_c.segment.desc())
        .limit(bindparam("limit"))
        .offset(bindparam("offset"))
    )
)


decode_deleted = msgspec.json.Decoder(tuple[DeletedReference, ...]).decode
_encode = msgspec.json.Encoder().encode
# Trees are immutable and decoded often. Its objects take about four times as much as its text.
_decoded_trees = SharedCache[str, tree.Node](8_000_000, lambda stored, _: 1_000 + 5 * len(stored))


def _decode_tree(stored: str) -> tree.Node:
    node = _decoded_trees.get(stored)
    if node is None:
        node = tree.decode(stored)
        _decoded_trees.put(stored, node)
    return node


def segment_of(row: Sequence[Any]) -> Segment:
    """Return the segment of a row selected with `SEGMENT_COLUMNS`."""
    number, id_, name, description, kind, dialect, source, tree_text, *columns, invalid = row
    condition = Condition(_decode_tree(tree_text), OriginalText(dialect, source))
    columns.append(_deleted_references_of(invalid))
    return Segment(number, id_, name, description, SegmentType(kind), condition, *columns)


def rules_of(type_: str, tree_text: str, invalid: str | None) -> Rules | None:
    """Return the rules of a segment, given some of its columns, as `Segment.rules` does."""
    return Rules.of(SegmentType(type_), _decode_tree(tree_text), _deleted_references_of(invalid))


def _deleted_references_of(invalid: str | None) -> tuple[DeletedReference, ...]:
    return () if invalid is None else decode_deleted(invalid)


def _values_of(segment: Segment) -> dict[str, Any]:
    return {
        "name": segment.name,
        "name_fold": text.fold_case(segment.name),
        "description": segment.description,
        "dialect": segment.condition.original.dialect,
        "original_text": segment.condition.original.text,
        "tree": tree.encode(segment.condition.tree),
        "revision": segment.revision,
        "last_calculated_at": segment.last_calculated_at,
        "updated_at": segment.updated_at,
        "invalid": _encode(segment.deleted_references).decode() if segment.deleted_references else None,
    }


def _split_row(tenant: Tenant, row: Sequence[Any]) -> tuple[Segment, WorkspaceState]:
    columns = len(SEGMENT_COLUMNS)
    return segment_of(row[:columns]), state_of_row(tenant, row[columns:])


def fetch_row_with_state(engine: Engine, workspace: int, id_: str) -> Coroutine[Any, Any, Row | None]:
    """Return the row of a segment with the state of its workspace, or None; see `read_row_with_state`."""
    return fetch_point(engine, workspace, _BY_ID_WITH_STATE, id=id_)


async def load_row_with_state(tenant: Tenant, id_: str) -> Row | None:
    """Return the row of `fetch_row_with_state` as a transaction that only reads sees it, or None."""
    return await tenant.fetch_one(_BY_ID_WITH_STATE, id=id_)


def read_row_with_state(row: Row) -> tuple[Segment, WorkspaceState]:
    """Return the segment and the state in a row; raise `NotFound` if the workspace was deleted."""
    columns = len(SEGMENT_COLUMNS)
    return segment_of(row[:columns]), WorkspaceState.from_row(row[columns:])


async def find_by_id(tenant: Tenant, id_: str) -> Segment | None:
    """Return a segment by its UUID, or None."""
    row = await tenant.fetch_one(_BY_ID, id=id_)
    return None if row is None else segment_of(row)


async def find_with_state(tenant: Tenant, id_: str) -> tuple[Segment, WorkspaceState] | None:
    """Return a segment by its UUID with the state of its workspace, both of one snapshot, or None."""
    row = await tenant.fetch_one(_BY_ID_WITH_STATE, id=id_)
    return None if row is None else _split_row(tenant, row)


async def find_by_number_with_state(tenant: Tenant, number: int) -> tuple[Segment, WorkspaceState] | None:
    """Return a segment by its number, also of a dynamic list, with the state of its workspace, or None."""
    row = await tenant.fetch_one(_BY_NUMBER_WITH_STATE, segment=number)
    return None if row is None else _split_row(tenant, row)


async def load_mentioning(tenant: Tenant, field: str) -> list[tuple[Segment, AudienceRef | None]]:
    """Return all segments that mention a field or one that begins so, each with its dynamic list if any."""
    rows = await tenant.fetch_all(_MENTIONING, mention=f'"field":"{field}')
    return [
        (segment_of(row[:-2]), None if row[-2] is None else AudienceRef(row[-2], row[-1])) for row in rows
    ]


async def load_ids(tenant: Tenant, numbers: Collection[int]) -> dict[int, str]:
    """Return the ids of segments by number, including deleted ones, without segments of dynamic lists."""
    wanted = tenant.backend.encode_list(sorted(numbers))
    ids = {row[0]: str(row[1]) for row in await tenant.fetch_all(_IDS, numbers=wanted)}
    if len(ids) < len(numbers):
        ids |= {row[0]: row[1] for row in await tenant.fetch_all(_DELETED_IDS, numbers=wanted)}
    return ids


async def load_page(tenant: Tenant, window: Window, search: str | None = None) -> Page[Segment]:
    """Return a window of the segments, newest first; `search` is part of a name, ignoring case."""
    values = {"search": text.fold_case(search)} if search else {}
    total = await tenant.fetch_one(_SEARCH_COUNT if search else _COUNT, **values)
    assert total is not None
    page = _SEARCH_PAGE if search else _PAGE
    rows = await tenant.fetch_all(page, **values, limit=window.limit, offset=window.offset)
    return Page([segment_of(row) for row in rows], total[0])


async def insert_segment(tenant: Tenant, segment: Segment, list_: int | None = None) -> None:
    """Insert a segment; `list_` is the number of its dynamic list, if it belongs to one."""
    await tenant.execute(
        _INSERT,
        **_values_of(segment),
        segment=segment.number,
        id=segment.id,
        type=segment.type.value,
        list=list_,
        members=None,
        history_since_entry=None,
        next_change_at=NEVER,
        created_at=segment.created_at,
    )


async def update_segment(tenant: Tenant, segment: Segment) -> None:
    """Update an existing segment, except for its type and keys."""
    new = {f"new_{name}": value for name, value in _values_of(segment).items()}
    await tenant.execute(_UPDATE, **new, at_segment=segment.number)


async def set_last_calculated(tenant: Tenant, number: int, at: int) -> None:
    """Store when a segment was last evaluated in full."""
    await tenant.execute(_SET_LAST_CALCULATED, at_segment=number, instant=at)


async def delete_segment(unit: WriteUnit, number: int) -> None:
    """Delete a segment and its members; contacts are kept, and so is its id if the log mentions it."""
    # An empty log mentions no segment.
    if unit.last_entry > unit.row.history_after_entry:
        await unit.execute(_KEEP_DELETED_ID, segment=number, last_entry=unit.last_entry)
    for statement in (*_DELETE_MEMBERSHIP, _DELETE):
        await unit.execute(statement, segment=number)
