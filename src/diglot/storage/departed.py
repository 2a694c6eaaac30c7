"""Ids of deleted contacts that the log of memberships still names."""

from collections.abc import Iterable

from diglot.storage import bulk
from diglot.storage.engine import Transaction
from diglot.storage.tables import departed_contacts

_INSERT = bulk.inserting(departed_contacts)


async def add(transaction: Transaction, workspace: int, gone: Iterable[tuple[int, str]], at: int) -> None:
    """Keep the ids of contacts that are deleted at an instant, each a key and an id."""
    values = [{"workspace": workspace, "pk": pk, "id": id_, "happened_at": at} for pk, id_ in gone]
    await _INSERT.run(transaction, values)
