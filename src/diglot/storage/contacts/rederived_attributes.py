"""Recomputes the columns of attributes that depend on the time zone of their workspace."""

from collections.abc import Sequence
from functools import partial
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select

from diglot.storage import bulk
from diglot.storage.contacts.rows import DERIVED_COLUMNS
from diglot.storage.predicates.token_documents import build_attribute_documents
from diglot.storage.schema import contacts
from diglot.storage.slices import compute_in_slices
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c = contacts.c
_SELECT_ATTRIBUTES = Statement(
    select(_c.pk, _c.attributes)
    .where(_c.workspace == bindparam("workspace"), _c.pk > bindparam("after"))
    .order_by(_c.pk)
    .limit(bindparam("limit"))
)
_UPDATE_DERIVED = bulk.build_update(
    contacts,
    ("pk",),
    [_c[name] for name in DERIVED_COLUMNS],
    {name: itemgetter(name) for name in DERIVED_COLUMNS},
)
_SLICE_LENGTH = 1_000


async def rederive_attributes(tenant: Tenant, zone: ZoneInfo) -> None:
    """Recompute the columns that depend on the time zone, for every contact of a workspace."""
    after = 0
    while rows := await tenant.fetch_all(_SELECT_ATTRIBUTES, after=after, limit=_SLICE_LENGTH):
        async for values in compute_in_slices(tenant, rows, partial(_derive_again, zone)):
            await _UPDATE_DERIVED.execute_ordered(tenant, values)
        after = rows[-1][0]


def _derive_again(zone: ZoneInfo, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
    return [(pk, *build_attribute_documents(attributes, zone)) for pk, attributes in rows]
