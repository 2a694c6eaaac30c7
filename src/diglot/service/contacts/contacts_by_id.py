"""Finds contacts by the ids in a request body."""

from collections.abc import Sequence
from typing import Final

from diglot.errors import NotFound
from diglot.model.contacts import Contact
from diglot.storage.contacts import queries
from diglot.storage.tenant import Tenant

# The resource of `NotFound` if a contact in the body does not exist; one in the path is "contact".
REFERENCED_CONTACT: Final = "named contact"


async def require_contacts(tenant: Tenant, ids: Sequence[str | None]) -> list[Contact]:
    """Return the contacts with these UUIDs, each once; raise `NotFound` unless all exist."""
    unique_ids = [id_ for id_ in dict.fromkeys(ids) if id_ is not None]
    contacts = await queries.find_contacts_by_id(tenant, unique_ids)
    if None in ids or len(contacts) != len(unique_ids):
        raise NotFound(REFERENCED_CONTACT)
    return list(contacts.values())
