"""The rows of a whole workspace, table by table: read in the order of their keys, and written as they were.

The tables and columns are those of the schema's metadata, so new ones cannot be forgotten. What is derived
(token documents, the instant index, bitmaps) is copied, because its format changes with a migration only, and
rows are written only to a database at the same revision.

While a workspace is written it looks like one whose deletion has begun, which refuses all reads and writes,
and leaves nothing for background work to do: some columns of its segments and webhooks have other values
until the end.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    Table,
    bindparam,
    func,
    select,
    tuple_,
    update,
)

from diglot.conditions import tree
from diglot.conditions.analysis.segment_references import static_numbers
from diglot.conditions.events.fields import MAX_DAYS
from diglot.conditions.fields import STATUSES
from diglot.conditions.relative_dates import NEVER
from diglot.model.segments import SegmentType
from diglot.storage import bulk
from diglot.storage.audience.segments import decode_deleted
from diglot.storage.page_size import PageSize
from diglot.storage.schema import (
    contacts,
    idempotent_responses,
    import_chunks,
    import_jobs,
    import_rejects,
    keys,
    metadata,
    segments,
    sessions,
    webhook_sources,
    webhooks,
    workspace_profiles,
    workspaces,
)
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

# Tables whose rows stay, each with the reason.
LEFT_OUT: Final[Mapping[Table, str]] = {
    keys: "a key is a secret of the server that made it; new ones are made",
    sessions: "people sign in again",
    webhook_sources: "a vendor posts to the server that made it; new ones are made",
    import_jobs: "an import ends where its file is",
    import_chunks: "they belong to an import",
    import_rejects: "they belong to an import",
    idempotent_responses: "they are for retries to the same server within a day",
}
# A row of the workspace itself, which exists before its other rows.
OF_WORKSPACE: Final = (workspace_profiles, workspaces)
# Columns whose values stay: nobody signs in with a password of another server.
_CLEARED: Final = {workspace_profiles.c.password_hash}
# The values that columns have until all rows are written. A static segment has nothing to verify or to
# evaluate, and nothing is sent to a webhook that is not active.
HELD: Final[Mapping[Table, Mapping[str, Any]]] = {
    segments: {"type": SegmentType.STATIC.value, "members": 0, "next_change_at": NEVER},
    webhooks: {"active": False, "leased_until": NEVER},
}
_TYPES: Final = (
    (Boolean, bool),
    (BigInteger, Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]),
    (Integer, Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]),
    (Float, float),
    (LargeBinary, bytes),
)
_DAYS: Final = Annotated[int, Meta(ge=0, le=MAX_DAYS)]
# The values of columns that have no others.
_CHOICES: Final[Mapping[Column[Any], tuple[str, ...]]] = {
    contacts.c.status: STATUSES,
    segments.c.type: tuple(each.value for each in SegmentType),
}


def _decode_expanded(stored: str) -> tree.Node:
    """Return the condition that is evaluated, which names static segments by their numbers."""
    node = tree.decode(stored)
    static_numbers((node,))
    return node


# The decoders of texts that every read of their rows decodes: one that is no such JSON would be an error 500.
_ENCODED: Final[Mapping[Column[Any], Callable[[str], object]]] = {
    contacts.c.tags: msgspec.json.Decoder(list[str]).decode,
    contacts.c.attributes: msgspec.json.Decoder(dict[str, Any]).decode,
    segments.c.tree: tree.decode,
    segments.c.expanded: _decode_expanded,
    segments.c.invalid: decode_deleted,
}


def _list_tables() -> tuple[Table, ...]:
    """Return the tables of an archive, those that others refer to first."""
    return tuple(one for one in metadata.sorted_tables if "workspace" in one.c and one not in LEFT_OUT)


TABLES: Final = _list_tables()


class ArchivedTable:
    """A table of an archive: its columns but the workspace, and the Python type of a row."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.name = str(table.name)
        columns = [column for column in table.columns if column.name != "workspace"]
        self.columns = tuple(str(column.name) for column in columns)
        self.row_type: Any = tuple[tuple(map(_type_of, columns))]  # type: ignore[misc]
        self.held = dict(HELD.get(table, {}))
        self._cleared = [place for place, column in enumerate(columns) if column in _CLEARED]
        self._encoded = [(place, _ENCODED[one]) for place, one in enumerate(columns) if one in _ENCODED]
        self._booleans = [place for place, one in enumerate(columns) if isinstance(one.type, Boolean)]
        key = [column for column in table.primary_key.columns if column.name != "workspace"]
        self._key_places = {column.name: self.columns.index(column.name) for column in key}
        in_workspace = table.c.workspace == bindparam("workspace")
        rows = select(*columns).where(in_workspace).order_by(*key)
        self._count = Statement(select(func.count()).select_from(table).where(in_workspace))
        self._first = Statement(rows.limit(bindparam("limit")))
        self._next = Statement(rows.where(_follow(key)).limit(bindparam("limit"))) if key else None
        self._insert = bulk.build_insert(table)
        self._release = bulk.build_replace(table, list(self.held)) if self.held else None

    async def count(self, tenant: Tenant) -> int:
        """Return the number of rows."""
        row = await tenant.fetch_one(self._count)
        assert row is not None
        return int(row[0])

    async def load_page(self, tenant: Tenant, after: Sequence[Any] | None, limit: int) -> list[list[Any]]:
        """Return the rows that follow one, or the first ones, in the order of their key."""
        if after is None:
            rows = await tenant.fetch_all(self._first, limit=limit)
        elif self._next is None:
            rows = []
        else:
            key = {f"after_{name}": after[place] for name, place in self._key_places.items()}
            rows = await tenant.fetch_all(self._next, limit=limit, **key)
        return [self._to_archive(row) for row in rows]

    async def insert(self, tenant: Tenant, rows: Iterable[Sequence[Any]]) -> None:
        """Insert rows, with the values that columns have until the workspace is complete."""
        held = self.held
        await self._insert.execute(tenant, [self.to_mapping(row) | held for row in rows])

    async def release(self, tenant: Tenant, rows: Iterable[Sequence[Any]]) -> None:
        """Give inserted rows their own values in the columns that were held."""
        assert self._release is not None
        await self._release.execute(tenant, [self.to_mapping(row) for row in rows])

    def check_texts(self, row: Sequence[Any]) -> None:
        """Raise `ValueError` for a row with a text that is not the JSON that its column has."""
        for place, decode in self._encoded:
            if row[place] is not None:
                try:
                    decode(row[place])
                except (msgspec.MsgspecError, RecursionError, ValueError) as error:
                    raise ValueError(f"{self.columns[place]}: {error}") from error

    def to_mapping(self, row: Sequence[Any]) -> dict[str, Any]:
        """Return a row by the names of its columns."""
        return dict(zip(self.columns, row, strict=True))

    def _to_archive(self, row: Row) -> list[Any]:
        values = list(row)
        for place in self._booleans:
            # SQLite returns an integer.
            values[place] = bool(values[place])
        for place in self._cleared:
            values[place] = None
        return values


def _type_of(column: Column[Any]) -> Any:
    kind: Any = next((python for sql, python in _TYPES if isinstance(column.type, sql)), str)
    if column in _CHOICES:
        kind = Literal[_CHOICES[column]]
    elif column is workspaces.c.event_days:
        kind = _DAYS
    return kind | NoneType if column.nullable else kind


def _follow(key: Sequence[Column[Any]]) -> Any:
    """Return whether a row follows the one whose key is bound."""
    bound = [bindparam(f"after_{column.name}", type_=column.type) for column in key]
    return key[0] > bound[0] if len(key) == 1 else tuple_(*key) > tuple_(*bound)


ARCHIVED: Final = tuple(map(ArchivedTable, TABLES))
_ROW_NAMES: Final = [column.name for column in workspaces.columns if column.name != "workspace"]
_SET_ROW: Final = Statement(
    update(workspaces)
    .where(workspaces.c.workspace == bindparam("in_workspace"))
    .values({name: bindparam(f"new_{name}") for name in _ROW_NAMES})
)
_SET_PROFILE: Final = Statement(
    update(workspace_profiles)
    .where(workspace_profiles.c.workspace == bindparam("in_workspace"))
    .values({name: bindparam(f"new_{name}") for name in ("name", "time_zone", "created_at")})
)


async def complete_workspace(
    tenant: Tenant, name: str, profile: Mapping[str, Any], row: Mapping[str, Any]
) -> None:
    """Give a workspace its name, its profile and its row, so that it serves from now on."""
    await tenant.execute(_SET_ROW, **{f"new_{key}": value for key, value in row.items()})
    values = {f"new_{key}": value for key, value in {**profile, "name": name}.items()}
    await tenant.execute(_SET_PROFILE, **values)


async def iterate_pages(
    tenant: Tenant, table: ArchivedTable, size: PageSize
) -> AsyncIterator[list[list[Any]]]:
    """Yield the rows of a workspace in a table, page by page."""
    after = None
    while page := await table.load_page(tenant, after, size.rows):
        yield page
        after = page[-1]
