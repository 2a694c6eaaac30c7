"""Leases on work that one process does for all: ephemeral rows, which a crash may empty.

A lease only avoids duplicate work; the work must stay correct without it.
"""

from sqlalchemy import and_, bindparam, delete, or_
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import leases
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

_c = leases.c


def _upsert_lease(backend: Backend) -> ClauseElement:
    taken = backend.insert(leases).values(
        work=bindparam("work"), holder=bindparam("holder"), until=bindparam("until", type_=_c.until.type)
    )
    free = or_(
        _c.holder == bindparam("holder", type_=_c.holder.type),
        _c.until <= bindparam("now", type_=_c.until.type),
    )
    return taken.on_conflict_do_update(
        index_elements=[_c.work],
        set_={"holder": taken.excluded.holder, "until": taken.excluded.until},
        where=free,
    ).returning(_c.holder)


_UPSERT_LEASE = BackendStatement(_upsert_lease)
_RELEASE = Statement(delete(leases).where(and_(_c.work == bindparam("of"), _c.holder == bindparam("by"))))


async def take(transaction: Transaction, work: str, holder: str, now: int, until: int) -> bool:
    """Take or renew the lease on some work; return whether this holder has it now."""
    values = {"work": work, "holder": holder, "now": now, "until": until}
    return await transaction.fetch_one(_UPSERT_LEASE, values) is not None


async def release(transaction: Transaction, work: str, holder: str) -> None:
    """Release a lease, if this holder has it."""
    await transaction.execute(_RELEASE, {"of": work, "by": holder})
