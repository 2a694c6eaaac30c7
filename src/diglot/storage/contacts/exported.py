"""What an export reads besides contacts: all keys of a workspace, and the attributes of some contacts."""

from collections.abc import Sequence

from pyroaring import BitMap
from sqlalchemy import select

from diglot.storage.contacts.queries import select_by_keys
from diglot.storage.contacts.scans import in_workspace, pin_to_index
from diglot.storage.schema import contacts
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant

_c = contacts.c
_ALL_KEYS = BackendStatement(
    lambda backend: backend.select_keys(pin_to_index(select(_c.pk)).where(in_workspace()), _c.pk)
)
_ATTRIBUTES = BackendStatement(select_by_keys(_c.attributes))


async def load_all_keys(tenant: Tenant) -> BitMap:
    """Return the dense keys of all contacts."""
    return tenant.backend.decode_keys(await tenant.fetch_all(_ALL_KEYS))


async def load_attributes(tenant: Tenant, keys: Sequence[int]) -> list[str]:
    """Return the attributes (JSON) of the existing contacts with one of the dense keys."""
    rows = await tenant.fetch_all(_ATTRIBUTES, keys=tenant.backend.encode_list(keys))
    return [row[0] for row in rows]
