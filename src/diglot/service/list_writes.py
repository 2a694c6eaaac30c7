"""Every change of who is on a static list passes here, so that what follows from one follows from all.

The workspace is locked by then.
"""

from collections.abc import Sequence
from typing import Final

from diglot.errors import Invalid, Path
from diglot.model.contacts import Contact
from diglot.model.lists import ContactList
from diglot.storage import lists
from diglot.storage.engine import Transaction

_BY_CONDITION: Final = "This list is dynamic: its conditions decide who is on it, nobody is put on it by hand"


def require_static(one: ContactList, path: Path = ()) -> None:
    """Raise `Invalid` for a dynamic list."""
    if one.segment is not None:
        raise Invalid.at(path, _BY_CONDITION)


async def join(transaction: Transaction, workspace: int, one: ContactList, joining: Sequence[Contact]) -> int:
    """Put contacts on a static list; those who are on it already stay. Return how many came to it."""
    pks = {contact.pk for contact in joining}
    new = pks - await lists.members_among(transaction, workspace, one.number, sorted(pks))
    if new:
        await lists.join(transaction, workspace, one.number, sorted(new))
    return len(new)


async def leave(transaction: Transaction, workspace: int, one: ContactList, leaving: Contact) -> bool:
    """Take a contact off a static list; tell whether it was on it."""
    found = await lists.members_among(transaction, workspace, one.number, [leaving.pk])
    await lists.leave(transaction, workspace, one.number, leaving.pk)
    return bool(found)
