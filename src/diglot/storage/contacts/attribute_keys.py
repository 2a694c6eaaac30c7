"""The attribute keys that the contacts of a workspace have or had, to tell which fields of rules are unknown.

A process caches the keys that are committed. They are never removed, so a key that it knows needs no look,
and a write with known keys costs nothing. A key whose last contact is gone stays known.
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from sqlalchemy import bindparam, select

from diglot.caches import CacheSlot, SharedCache
from diglot.model.contacts import Contact
from diglot.storage import bulk
from diglot.storage.schema import attribute_keys
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

# In a workspace with more keys none counts as unknown, because a client may use data as keys.
MAX_KEYS: Final = 1_000
_BYTES_OF_A_KEY: Final = 100
_ALL = Statement(
    select(attribute_keys.c.key)
    .where(attribute_keys.c.workspace == bindparam("workspace"))
    .order_by(attribute_keys.c.key)
)
_INSERT = bulk.build_insert(attribute_keys)
_NO_KEYS: Final = frozenset[str]()
# By workspace.
_CACHE: Final = CacheSlot[SharedCache[int, frozenset[str]]](
    "attribute keys",
    0.03125,
    lambda size: SharedCache(size, lambda _, keys: 500 + sum(_BYTES_OF_A_KEY + len(key) for key in keys)),
)
_decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


async def load_known_keys(tenant: Tenant, wanted: Iterable[str]) -> frozenset[str]:
    """Return the known keys of a workspace, at least those among the wanted ones."""
    known = _cached(tenant)
    if known.issuperset(wanted):
        return known
    known = frozenset(row[0] for row in await tenant.fetch_all(_ALL))
    if not tenant.transaction.may_write:
        _put(tenant, known)
    return known


async def load_all_keys(tenant: Tenant) -> tuple[str, ...]:
    """Return all known keys of a workspace, of which there are at most `MAX_KEYS`, in order."""
    return tuple(row[0] for row in await tenant.fetch_all(_ALL))


def is_full(known: frozenset[str]) -> bool:
    """Tell whether a workspace has so many keys that none counts as unknown."""
    return len(known) >= MAX_KEYS


async def record_keys(unit: WriteUnit, written: Iterable[Contact]) -> None:
    """Store the keys of written contacts that are not known yet."""
    known = _cached(unit)
    keys = {key for contact in written for key in _keys_of(contact)} - known - unit.new_attribute_keys
    if not keys or is_full(known):
        return
    stored = frozenset(row[0] for row in await unit.fetch_all(_ALL))
    # A transaction that is rolled back takes its own keys with it.
    _put(unit, stored - unit.new_attribute_keys)
    new = sorted(keys - stored)[: max(0, MAX_KEYS - len(stored))]
    await _INSERT.execute(unit, [{"key": key} for key in new])
    unit.new_attribute_keys.update(new)


def _keys_of(contact: Contact) -> Iterable[str]:
    return _NO_KEYS if contact.attributes == "{}" else _decode_members(contact.attributes)


def _cached(tenant: Tenant) -> frozenset[str]:
    return tenant.transaction.process_cache.of(_CACHE).get(tenant.workspace) or _NO_KEYS


def _put(tenant: Tenant, known: frozenset[str]) -> None:
    tenant.transaction.process_cache.of(_CACHE).put(tenant.workspace, known)
