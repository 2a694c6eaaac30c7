"""Ids of deleted contacts that the membership log still mentions."""

from collections.abc import Iterable
from typing import Final

from pyroaring import BitMap
from sqlalchemy import BigInteger, bindparam, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage import bulk
from diglot.storage.schema import deleted_contacts
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant

# For more keys than this, reading the whole range from the first to the last costs less.
_FEW_KEYS: Final = 1_000
_c = deleted_contacts.c
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_INSERT = bulk.build_insert(deleted_contacts)


def _select_ids(backend: Backend) -> ClauseElement:
    wanted = backend.one_of(_c.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
    return select(_c.pk, _c.id).where(_IN_WORKSPACE, wanted)


def _select_key_range(backend: Backend) -> ClauseElement:
    span = select(_c.pk).where(_IN_WORKSPACE, _c.pk >= bindparam("first"), _c.pk <= bindparam("last"))
    return backend.select_keys(span, _c.pk)


_SELECT_IDS = BackendStatement(_select_ids)
_SELECT_KEY_RANGE = BackendStatement(_select_key_range)


async def add(tenant: Tenant, deleted: Iterable[tuple[int, str]], at: int) -> None:
    """Store the ids of deleted contacts, each given as key and id; `at` is when they were deleted."""
    values = [{"pk": pk, "id": id_, "deleted_at": at} for pk, id_ in deleted]
    await _INSERT.execute(tenant, values)


async def load_ids(tenant: Tenant, pks: Iterable[int]) -> dict[int, str]:
    """Return the ids of those contacts that are deleted, by key."""
    rows = await tenant.fetch_all(_SELECT_IDS, pks=tenant.backend.encode_list(list(pks)))
    return {row[0]: row[1] for row in rows}


async def find_among(tenant: Tenant, pks: BitMap) -> BitMap:
    """Return the keys of those contacts that are deleted."""
    if not pks:
        return BitMap()
    if len(pks) <= _FEW_KEYS:
        return BitMap(await load_ids(tenant, pks))
    rows = await tenant.fetch_all(_SELECT_KEY_RANGE, first=pks.min(), last=pks.max())
    return tenant.backend.decode_keys(rows) & pks
