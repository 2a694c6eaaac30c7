"""Rows of several segments, by their ids or numbers."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, Integer, Text, bindparam, select
from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.types import TypeEngine

from diglot.model.segments import Segment
from diglot.storage.audience.segments import SEGMENT_COLUMNS, segment_of
from diglot.storage.schema import segments
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant

_c = segments.c


def _select_by(column: Column[Any], kind: TypeEngine[Any]) -> BackendStatement:
    def build(backend: Backend) -> ClauseElement:
        wanted = backend.one_of(column, [], kind, lambda _, type_: bindparam("wanted", type_=type_))
        # The segment of a dynamic list is not one that clients see.
        visible = _c.workspace == bindparam("workspace"), _c.list.is_(None)
        return select(*SEGMENT_COLUMNS).where(*visible, wanted)

    return BackendStatement(build)


_BY_IDS = _select_by(_c.id, Text())
_BY_NUMBERS = _select_by(_c.segment, Integer())


async def find_each(tenant: Tenant, ids: Collection[str]) -> dict[str, Segment]:
    """Return the segments with one of the UUIDs, by UUID; an unknown one is left out."""
    rows = await tenant.fetch_all(_BY_IDS, wanted=tenant.backend.encode_list(sorted(ids)))
    return {segment.id: segment for segment in map(segment_of, rows)}


async def load_each(tenant: Tenant, numbers: Collection[int]) -> dict[int, Segment]:
    """Return the segments with one of the numbers, by number."""
    if not numbers:
        return {}
    rows = await tenant.fetch_all(_BY_NUMBERS, wanted=tenant.backend.encode_list(sorted(numbers)))
    return {segment.number: segment for segment in map(segment_of, rows)}
