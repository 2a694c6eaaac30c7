"""Rows of segments whose conditions mention a field."""

from typing import Final

from sqlalchemy import and_, bindparam, or_, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.model.segments import Segment
from diglot.model.webhooks import AudienceRef
from diglot.storage.audience.segments import SEGMENT_COLUMNS, segment_of
from diglot.storage.schema import lists, segments
from diglot.storage.sql.backend import ZERO, Backend
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant

_c = segments.c
# The condition of the rules, and the one that is evaluated if that is another.
_TREES: Final = (_c.tree, _c.expanded)


def _select_mentioning(backend: Backend) -> ClauseElement:
    has_list = and_(lists.c.workspace == bindparam("workspace"), lists.c.list == _c.list)
    mentions = or_(
        *(backend.position(column, bindparam("mention", type_=column.type)) > ZERO for column in _TREES)
    )
    return (
        select(*SEGMENT_COLUMNS, lists.c.id, lists.c.name)
        .join(lists, has_list, isouter=True)
        .where(_c.workspace == bindparam("workspace"), mentions)
        .order_by(_c.segment)
    )


_MENTIONING = BackendStatement(_select_mentioning)


async def load_mentioning(tenant: Tenant, field: str) -> list[tuple[Segment, AudienceRef | None]]:
    """Return all segments whose conditions mention a field, each with the dynamic list that it belongs to.

    They may mention it in the rules of a segment that they reference.
    """
    return await _load(tenant, f'"field":"{field}"')


async def load_mentioning_prefix(tenant: Tenant, prefix: str) -> list[tuple[Segment, AudienceRef | None]]:
    """Return the same of all fields whose names begin so."""
    return await _load(tenant, f'"field":"{prefix}')


async def _load(tenant: Tenant, mention: str) -> list[tuple[Segment, AudienceRef | None]]:
    rows = await tenant.fetch_all(_MENTIONING, mention=mention)
    return [
        (segment_of(row[:-2]), None if row[-2] is None else AudienceRef(row[-2], row[-1])) for row in rows
    ]
