"""Contacts that a body names by their ids."""

from collections.abc import Sequence
from typing import Final

from diglot.errors import NotFound
from diglot.model.contacts import Contact
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Transaction

# What is missing when a body names a contact that is not there, as against the path.
REFERENCED_CONTACT: Final = "named contact"


async def require_contacts(
    transaction: Transaction, workspace: int, ids: Sequence[str | None]
) -> list[Contact]:
    """Return the contacts of some UUIDs, each once; raise `NotFound` unless all of them exist."""
    wanted = [id_ for id_ in dict.fromkeys(ids) if id_ is not None]
    found = await queries.find_contacts_by_id(transaction, workspace, wanted)
    if None in ids or len(found) != len(wanted):
        raise NotFound(REFERENCED_CONTACT)
    return list(found.values())
