"""Every write of contacts passes here, so that what follows from one follows from all.

The workspace is locked by then. What follows happens in the transaction of the write.
"""

from collections.abc import Sequence

from diglot.membership import follow
from diglot.membership.writer import current
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause
from diglot.service.contacts import tag_counts
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import Locked
from diglot.webhooks import outbox

# A contact before and after a change.
Changed = tuple[Contact, Contact]


async def insert(transaction: Transaction, workspace: int, locked: Locked, new: Sequence[Contact]) -> None:
    """Insert new contacts."""
    if not new:
        return
    now = new[0].updated_at
    here = await current(transaction, workspace, locked, now)
    await queries.insert_all(transaction, workspace, new, locked.zone)
    await outbox.emit(transaction, workspace, locked, outbox.made(new), now)
    writes = [(None, contact) for contact in new]
    await tag_counts.follow(transaction, workspace, writes)
    await follow.follow(here, writes, Cause.CONTACT_CREATED, {})


async def update(
    transaction: Transaction, workspace: int, locked: Locked, changed: Sequence[Changed]
) -> None:
    """Write contacts that exist."""
    if not changed:
        return
    after = [contact for _, contact in changed]
    now = after[0].updated_at
    here = await current(transaction, workspace, locked, now)
    on_lists = await follow.lists_of(here, after)
    await queries.update_all(transaction, workspace, after, locked.zone)
    await outbox.emit(transaction, workspace, locked, outbox.changed(changed), now)
    await tag_counts.follow(transaction, workspace, changed)
    await follow.follow(here, changed, Cause.CONTACT_CHANGED, on_lists)


async def remove(
    transaction: Transaction, workspace: int, locked: Locked, gone: Sequence[Contact], now: int
) -> None:
    """Delete contacts, their places in lists and static segments, and their events."""
    here = await current(transaction, workspace, locked, now)
    on_lists = await follow.lists_of(here, gone)
    pks = [contact.pk for contact in gone]
    left = await lists.groups_of(transaction, workspace, pks) if locked.webhooks else ()
    await queries.remove_all(transaction, workspace, pks)
    await outbox.emit(transaction, workspace, locked, outbox.off_lists(gone, left), now)
    writes = [(contact, None) for contact in gone]
    await tag_counts.follow(transaction, workspace, writes)
    await follow.follow(here, writes, Cause.CONTACT_DELETED, on_lists)
