"""Compares the instant index of a field with the contacts, by a row count and a checksum.

A checksum can be computed over either side alone, without a join. It multiplies each instant with its key, so
it changes if an instant changes or belongs to another contact; it misses such a fault with a chance of about
one in a million.
"""

from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy import cast as cast_to

from diglot.conditions.events.fields import EventField, is_event_field, is_history_field, parse_event_field
from diglot.storage.contacts import history_index
from diglot.storage.contacts.instants import CORE_FIELDS
from diglot.storage.contacts.scans import pin_to_index
from diglot.storage.membership import instant_index
from diglot.storage.predicates.events import select_instants
from diglot.storage.predicates.kept_events import KEPT_SINCE
from diglot.storage.schema import contacts
from diglot.storage.schema import field_instants as kept
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

# Small enough that the sum over a billion contacts does not overflow 63 bits.
_INSTANT_MODULUS: Final = 1_000_003
_KEY_MODULUS: Final = 1_009
_c, _m = contacts.c, kept.c


def _checksum_columns(instant: Any, pk: Any) -> tuple[Any, Any]:
    mixed = (instant % _INSTANT_MODULUS) * (pk % _KEY_MODULUS + 1)
    return func.count(), cast_to(func.coalesce(func.sum(mixed), 0), BigInteger())


_INDEX_CHECKSUM = Statement(
    select(*_checksum_columns(_m.instant, _m.pk)).where(
        _m.workspace == bindparam("workspace"), _m.field == bindparam("field")
    )
)
# Instants of events that are no longer kept stay in the index until they are purged.
_KEPT_CHECKSUM = Statement(
    select(*_checksum_columns(_m.instant, _m.pk)).where(
        _m.workspace == bindparam("workspace"),
        _m.field == bindparam("field"),
        _m.instant >= KEPT_SINCE,
    )
)
_CONTACT_CHECKSUMS: Final = {
    name: Statement(
        pin_to_index(select(*_checksum_columns(_c[name], _c.pk)).select_from(contacts)).where(
            _c.workspace == bindparam("workspace"), _c[name].is_not(None)
        )
    )
    for name in CORE_FIELDS
}


_EVENT_CHECKSUMS: Final = {
    part: Statement(select(*_checksum_columns(found.c.instant, found.c.pk)).select_from(found))
    for part in ("newest", "first_at", "last_at")
    if (found := select_instants(EventField("", part)).subquery("found")) is not None
}


async def index_matches_contacts(tenant: Tenant, field: str, zone: ZoneInfo) -> bool:
    """Tell whether the instant index of a field holds exactly the instants of the contacts."""
    key = history_index.key_of(field)
    checksum = _KEPT_CHECKSUM if history_index.holds_single_events(key) else _INDEX_CHECKSUM
    row = await tenant.fetch_one(checksum, field=key)
    assert row is not None
    return (row[0], row[1]) == await _checksum_contacts(tenant, field, zone)


async def _checksum_contacts(tenant: Tenant, field: str, zone: ZoneInfo) -> tuple[int, int]:
    if field in _CONTACT_CHECKSUMS:
        row = await tenant.fetch_one(_CONTACT_CHECKSUMS[field])
        assert row is not None
        return row[0], row[1]
    if is_event_field(field) and not is_history_field(field):
        parsed = parse_event_field(field)
        row = await tenant.fetch_one(_EVENT_CHECKSUMS[parsed.part], name=parsed.name, place=parsed.place)
        assert row is not None
        return row[0], row[1]
    count = total = 0
    async for page in instant_index.iterate_values(tenant, field, zone):
        count += len(page)
        total += sum(_sql_remainder(instant) * (pk % _KEY_MODULUS + 1) for pk, instant in page)
    return count, total


def _sql_remainder(instant: int) -> int:
    """Return the remainder as SQL computes it: with the sign of the dividend."""
    return instant % _INSTANT_MODULUS if instant >= 0 else -(-instant % _INSTANT_MODULUS)
