"""What is read of many contacts but their fields: the keys of a workspace, and the attributes of some."""

from collections.abc import Sequence
from typing import Final

from pyroaring import BitMap
from sqlalchemy import bindparam, select

from diglot.storage.contacts.queries import load_ids_by_key, select_by_keys
from diglot.storage.contacts.scans import in_workspace, pin_to_index
from diglot.storage.schema import contacts
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant

_c = contacts.c
_ALL_KEYS = BackendStatement(
    lambda backend: backend.select_keys(pin_to_index(select(_c.pk)).where(in_workspace()), _c.pk)
)
_KEYS_IN_SPAN = BackendStatement(
    lambda backend: backend.select_keys(
        pin_to_index(select(_c.pk)).where(
            in_workspace(), _c.pk >= bindparam("first"), _c.pk <= bindparam("last")
        ),
        _c.pk,
    )
)
# For more keys than this, reading the whole span from the first to the last costs less.
_FEW_KEYS: Final = 1_000
_ATTRIBUTES = BackendStatement(select_by_keys(_c.attributes))


async def load_all_keys(tenant: Tenant) -> BitMap:
    """Return the dense keys of all contacts."""
    return tenant.backend.decode_keys(await tenant.fetch_all(_ALL_KEYS))


async def find_existing(tenant: Tenant, keys: BitMap) -> BitMap:
    """Return those of some dense keys for which a contact exists."""
    if not keys:
        return BitMap()
    if len(keys) <= _FEW_KEYS:
        return BitMap(await load_ids_by_key(tenant, list(keys)))
    rows = await tenant.fetch_all(_KEYS_IN_SPAN, first=keys.min(), last=keys.max())
    return tenant.backend.decode_keys(rows) & keys


async def load_attributes(tenant: Tenant, keys: Sequence[int]) -> list[str]:
    """Return the attributes (JSON) of the existing contacts with one of the dense keys."""
    rows = await tenant.fetch_all(_ATTRIBUTES, keys=tenant.backend.encode_list(keys))
    return [row[0] for row in rows]
