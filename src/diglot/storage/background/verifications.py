"""Rows of verifications: the number of segments that were verified and repaired in each workspace."""

from sqlalchemy import bindparam
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import verifications
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant

_c = verifications.c
_COUNTERS = ("verified_segments", "repaired_segments", "repaired_contacts")


def _upsert_counts(backend: Backend) -> ClauseElement:
    columns = ("workspace", *_COUNTERS)
    added = backend.insert(verifications).values(
        {name: bindparam(name, type_=_c[name].type) for name in columns}
    )
    sums = {name: _c[name] + added.excluded[name] for name in _COUNTERS}
    return added.on_conflict_do_update(index_elements=[_c.workspace], set_=sums)


_UPSERT_COUNTS = BackendStatement(_upsert_counts)


async def add_counts(
    tenant: Tenant,
    *,
    verified_segments: int = 0,
    repaired_segments: int = 0,
    repaired_contacts: int = 0,
) -> None:
    """Add the counts of a verification; a repaired contact had a wrong membership."""
    await tenant.execute(
        _UPSERT_COUNTS,
        verified_segments=verified_segments,
        repaired_segments=repaired_segments,
        repaired_contacts=repaired_contacts,
    )
