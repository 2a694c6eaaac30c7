"""Moves instants in the instant index: what a write of contacts removes from it and adds to it."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from sqlalchemy import BigInteger, Column

from diglot.storage import bulk
from diglot.storage.contacts.history_index import key_of
from diglot.storage.membership import instant_index
from diglot.storage.membership.instant_index import IndexedInstant
from diglot.storage.schema import field_instants
from diglot.storage.tenant import Tenant

# The most removed instants of a write for which it is looked whether others take their places. Of more rows
# SQLite inserts a hundred by one statement.
MOST_MOVED: Final = 64
# What the index calls a field, the instant that it has, the key of the contact, and the new instant.
_Move = tuple[str, int, int, int]
_MOVE: Final = bulk.build_update(
    field_instants,
    ("field", "instant", "pk"),
    [Column("moved_to", BigInteger)],
    {"instant": itemgetter("moved_to")},
)


async def replace(tenant: Tenant, removed: Sequence[IndexedInstant], added: Sequence[IndexedInstant]) -> None:
    """Remove instants of contacts and add others; none is in both, and the removed ones are stored.

    An event moves the instants of all places that its contact has taken, each to that of the place before.
    Measured on SQLite for 9 places: 23 us if the rows move, 31 us if they are deleted and inserted, and a
    statement less.
    """
    moved: Sequence[_Move] = ()
    if len(removed) <= MOST_MOVED:
        moved, removed, added = _pair(removed, added)
    await _MOVE.execute_ordered(tenant, moved)
    # The rows that follow are others, so PostgreSQL gets all in one round trip.
    tenant.transaction.rows_are_apart = bool(moved)
    await instant_index.remove(tenant, removed)
    tenant.transaction.rows_are_apart = bool(moved or removed)
    await instant_index.add(tenant, added)
    tenant.transaction.rows_are_apart = False


def _pair(
    removed: Sequence[IndexedInstant], added: Sequence[IndexedInstant]
) -> tuple[list[_Move], list[IndexedInstant], list[IndexedInstant]]:
    """Return the instants that take the place of another one, and those that are only removed or added."""
    gone: dict[tuple[str, int], list[int]] = {}
    for field, pk, instant in removed:
        gone.setdefault((field, pk), []).append(instant)
    moved: list[_Move] = []
    new: list[IndexedInstant] = []
    for field, pk, instant in added:
        if before := gone.get((field, pk)):
            moved.append((key_of(field), before.pop(), pk, instant))
        else:
            new.append((field, pk, instant))
    rest = [(field, pk, instant) for (field, pk), instants in gone.items() for instant in instants]
    return moved, rest, new
