"""Leases on work that one process does for all: ephemeral rows, which a crash may empty.

A lease only avoids duplicate work; the work must stay correct without it.
"""

import msgspec
from sqlalchemy import and_, bindparam, delete, or_, select, update
from sqlalchemy.sql.elements import ClauseElement

from diglot.storage.schema import leases
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import BackendStatement, Statement

_c = leases.c


class Lease(msgspec.Struct, frozen=True):
    """Some work, the process that does it, and until when."""

    work: str
    holder: str
    until: int


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
_RENEW = Statement(update(leases).where(_c.holder == bindparam("by")).values(until=bindparam("new_until")))
_ALL = Statement(select(_c.work, _c.holder, _c.until))
_RELEASE = Statement(delete(leases).where(and_(_c.work == bindparam("of"), _c.holder == bindparam("by"))))
_RELEASE_ALL = Statement(delete(leases).where(_c.holder == bindparam("by")))
_DELETE_EXPIRED = Statement(delete(leases).where(_c.until <= bindparam("before")))


async def take(transaction: Transaction, lease: Lease, now: int) -> bool:
    """Take or renew a lease; return whether its holder has it now."""
    values = {"work": lease.work, "holder": lease.holder, "now": now, "until": lease.until}
    return await transaction.fetch_one(_UPSERT_LEASE, values) is not None


async def renew_all(transaction: Transaction, holder: str, until: int) -> None:
    """Renew the leases of a holder, also those that ended and that nobody has taken."""
    await transaction.execute(_RENEW, {"by": holder, "new_until": until})


async def list_all(transaction: Transaction) -> list[Lease]:
    """Return all leases, also those that ended."""
    return [Lease(*row) for row in await transaction.fetch_all(_ALL)]


async def release(transaction: Transaction, work: str, holder: str) -> None:
    """Release a lease, if this holder has it."""
    await transaction.execute(_RELEASE, {"of": work, "by": holder})


async def release_all(transaction: Transaction, holder: str) -> None:
    """Release all leases of a holder."""
    await transaction.execute(_RELEASE_ALL, {"by": holder})


async def delete_expired(transaction: Transaction, before: int) -> None:
    """Delete the leases that ended by an instant."""
    await transaction.execute(_DELETE_EXPIRED, {"before": before})
