"""Every write of contacts passes here, so that what follows from one follows from all.

The workspace is locked by then. What follows happens in the transaction of the write.
"""

from collections.abc import Sequence

from diglot.membership import follow
from diglot.membership.writer import open_writer
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause
from diglot.service.contacts import tag_counts
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import LockedWorkspace
from diglot.webhooks import outbox

# A contact before and after a change.
ContactUpdate = tuple[Contact, Contact]


async def insert_contacts(
    transaction: Transaction, workspace: int, locked: LockedWorkspace, new: Sequence[Contact]
) -> None:
    """Insert new contacts."""
    if not new:
        return
    now = new[0].updated_at
    here = await open_writer(transaction, workspace, locked, now)
    await queries.insert_contacts(transaction, workspace, new, locked.zone)
    await outbox.enqueue_events(transaction, workspace, locked, outbox.created_events(new), now)
    writes = [(None, contact) for contact in new]
    await tag_counts.count_writes(transaction, workspace, writes)
    await follow.follow_writes(here, writes, Cause.CONTACT_CREATED, {})


async def update_contacts(
    transaction: Transaction, workspace: int, locked: LockedWorkspace, changed: Sequence[ContactUpdate]
) -> None:
    """Write contacts that exist."""
    if not changed:
        return
    after = [contact for _, contact in changed]
    now = after[0].updated_at
    here = await open_writer(transaction, workspace, locked, now)
    on_lists = await follow.load_lists(here, after)
    await queries.update_contacts(transaction, workspace, after, locked.zone)
    await outbox.enqueue_events(transaction, workspace, locked, outbox.updated_events(changed), now)
    await tag_counts.count_writes(transaction, workspace, changed)
    await follow.follow_writes(here, changed, Cause.CONTACT_CHANGED, on_lists)


async def delete_contacts(
    transaction: Transaction, workspace: int, locked: LockedWorkspace, gone: Sequence[Contact], now: int
) -> None:
    """Delete contacts, their places in lists and static segments, and their events."""
    here = await open_writer(transaction, workspace, locked, now)
    on_lists = await follow.load_lists(here, gone)
    pks = [contact.pk for contact in gone]
    left = await lists.load_refs_of_contacts(transaction, workspace, pks) if locked.webhook_count else ()
    await queries.delete_contacts(transaction, workspace, pks)
    await outbox.enqueue_events(transaction, workspace, locked, outbox.left_list_events(gone, left), now)
    writes = [(contact, None) for contact in gone]
    await tag_counts.count_writes(transaction, workspace, writes)
    await follow.follow_writes(here, writes, Cause.CONTACT_DELETED, on_lists)
