"""Every write of contacts passes here, so that what follows from one follows from all.

The workspace is locked by then. What follows happens in the transaction of the write.
"""

from collections.abc import Sequence

from diglot.model.contacts import Contact
from diglot.service import memberships, outbox, tag_counts
from diglot.storage import contacts
from diglot.storage.engine import Transaction
from diglot.storage.workspaces import Locked

# A contact before and after a change.
Changed = tuple[Contact, Contact]


async def insert(transaction: Transaction, workspace: int, locked: Locked, new: Sequence[Contact]) -> None:
    """Insert new contacts."""
    await contacts.insert_all(transaction, workspace, new, locked.zone)
    if new:
        await outbox.emit(transaction, workspace, locked, outbox.made(new), new[0].updated_at)
    await tag_counts.follow(transaction, workspace, [(None, contact) for contact in new])
    await memberships.follow(transaction, workspace, locked, [(None, contact) for contact in new])


async def update(
    transaction: Transaction, workspace: int, locked: Locked, changed: Sequence[Changed]
) -> None:
    """Write contacts that exist."""
    after = [contact for _, contact in changed]
    await contacts.update_all(transaction, workspace, after, locked.zone)
    if after:
        await outbox.emit(transaction, workspace, locked, outbox.changed(changed), after[0].updated_at)
    await tag_counts.follow(transaction, workspace, changed)
    await memberships.follow(transaction, workspace, locked, changed)


async def remove(transaction: Transaction, workspace: int, locked: Locked, gone: Sequence[Contact]) -> None:
    """Delete contacts, their places in lists and static segments, and their events."""
    await contacts.remove_all(transaction, workspace, [contact.pk for contact in gone])
    await tag_counts.follow(transaction, workspace, [(contact, None) for contact in gone])
    await memberships.follow(transaction, workspace, locked, [(contact, None) for contact in gone])
