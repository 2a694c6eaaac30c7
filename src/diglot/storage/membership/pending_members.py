"""Membership changes of a segment during its first evaluation, merged into the result of the scan.

Changes by time are recorded only once time is tracked for the segment, which a row of no contact notes.
"""

from collections.abc import Sequence

from pyroaring import BitMap
from sqlalchemy import bindparam, delete, insert, select

from diglot.storage import bulk
from diglot.storage.membership.changes import SegmentChange
from diglot.storage.schema import pending_members
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c = pending_members.c
_OF_SEGMENT = (_c.workspace == bindparam("workspace"), _c.segment == bindparam("segment"))
# The first contact has the next key.
_TRACKED_PK = 0
_SELECT_MEMBERS = Statement(select(_c.pk, _c.is_member).where(*_OF_SEGMENT, _c.pk > _TRACKED_PK))
_SELECT_TRACKED = Statement(select(_c.pk).where(*_OF_SEGMENT, _c.pk == _TRACKED_PK))
_DELETE = Statement(delete(pending_members).where(*_OF_SEGMENT))
_INSERT = Statement(insert(pending_members))
_UPSERT = bulk.build_insert(pending_members, replaced=("is_member",))


async def record(tenant: Tenant, moved: Sequence[SegmentChange]) -> None:
    """Record which contacts are now in segments and which are not."""
    values = [
        {"segment": change.segment, "pk": pk, "is_member": is_member}
        for change in moved
        for keys, is_member in ((change.left, 0), (change.entered, 1))
        for pk in keys
    ]
    await _UPSERT.execute(tenant, values)


async def merge_into(tenant: Tenant, segment: int, scanned: BitMap) -> BitMap:
    """Return the members of a segment, given those that a scan scanned at any time since its creation."""
    rows = await tenant.fetch_all(_SELECT_MEMBERS, segment=segment)
    left = BitMap([pk for pk, is_member in rows if not is_member])
    return (scanned - left) | BitMap([pk for pk, is_member in rows if is_member])


async def is_tracked(tenant: Tenant, segment: int) -> bool:
    """Tell whether time is tracked for a segment since its records were cleared."""
    return await tenant.fetch_one(_SELECT_TRACKED, segment=segment) is not None


async def track(tenant: Tenant, segment: int) -> None:
    """Clear the records of a segment, and note that time is tracked from now on."""
    await clear(tenant, segment)
    await tenant.execute(_INSERT, segment=segment, pk=_TRACKED_PK, is_member=0)


async def clear(tenant: Tenant, segment: int) -> None:
    """Delete what was recorded for a segment."""
    await tenant.execute(_DELETE, segment=segment)
