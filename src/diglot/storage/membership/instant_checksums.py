"""Whether the instants that are kept of a field are those that contacts hold: by number and by a sum.

A sum is cheap to make of either side alone. It mixes each instant with the key, so that it differs when one
instant is another or belongs to somebody else, but for chances of one in millions.
"""

from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, bindparam, func, select
from sqlalchemy import cast as cast_to

from diglot.storage.contacts.scans import pin_to_index
from diglot.storage.membership import instant_index
from diglot.storage.schema import contacts
from diglot.storage.schema import field_instants as kept
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

# Small enough that a billion contacts do not overflow 63 bits.
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
_CONTACT_CHECKSUMS: Final = {
    name: Statement(
        pin_to_index(select(*_checksum_columns(_c[name], _c.pk)).select_from(contacts)).where(
            _c.workspace == bindparam("workspace"), _c[name].is_not(None)
        )
    )
    for name in instant_index.CORE_FIELDS
}


async def index_matches_contacts(
    transaction: Transaction, workspace: int, field: str, zone: ZoneInfo
) -> bool:
    """Tell whether the instants kept of a field are those of the contacts."""
    row = await transaction.fetch_one(_INDEX_CHECKSUM, {"workspace": workspace, "field": field})
    assert row is not None
    return (row[0], row[1]) == await _checksum_contacts(transaction, workspace, field, zone)


async def _checksum_contacts(
    transaction: Transaction, workspace: int, field: str, zone: ZoneInfo
) -> tuple[int, int]:
    if field in _CONTACT_CHECKSUMS:
        row = await transaction.fetch_one(_CONTACT_CHECKSUMS[field], {"workspace": workspace})
        assert row is not None
        return row[0], row[1]
    number = total = 0
    async for found in instant_index.iterate_attribute_instants(transaction, workspace, field, zone):
        number += len(found)
        total += sum(_sql_remainder(instant) * (pk % _KEY_MODULUS + 1) for pk, instant in found)
    return number, total


def _sql_remainder(instant: int) -> int:
    """Return the rest as SQL has it: it has the sign of what is divided."""
    return instant % _INSTANT_MODULUS if instant >= 0 else -(-instant % _INSTANT_MODULUS)
