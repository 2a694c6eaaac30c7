"""The only module that writes contacts, so that every write updates what depends on contacts.

Memberships, tag counts, the contact count and webhook deliveries are updated in the same write unit.
"""

from collections.abc import Sequence

from diglot.membership import follow
from diglot.membership.writer import open_writer
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause
from diglot.service.contacts import tag_counts
from diglot.storage.audience import lists
from diglot.storage.contacts import attribute_keys, queries
from diglot.storage.write_unit import WriteUnit
from diglot.webhooks import outbox

# A contact before and after a change.
ContactUpdate = tuple[Contact, Contact]


async def insert_contacts(unit: WriteUnit, new: Sequence[Contact]) -> None:
    """Insert new contacts."""
    if not new:
        return
    unit.renew_contacts_version()
    unit.count_contacts(len(new))
    writer = await open_writer(unit)
    await queries.insert_contacts(unit, new, unit.zone)
    await attribute_keys.record_keys(unit, new)
    await outbox.enqueue_events(unit, outbox.created_events(new))
    writes = [(None, contact) for contact in new]
    await tag_counts.count_writes(unit, writes)
    await follow.follow_writes(writer, writes, Cause.CONTACT_CREATED, {})


async def update_contacts(unit: WriteUnit, changed: Sequence[ContactUpdate]) -> None:
    """Update existing contacts."""
    if not changed:
        return
    after = [contact for _, contact in changed]
    unit.renew_contacts_version()
    writer = await open_writer(unit)
    on_lists = await follow.load_lists(writer, after)
    await queries.update_contacts(unit, after, unit.zone)
    await attribute_keys.record_keys(unit, [new for old, new in changed if new.attributes != old.attributes])
    await outbox.enqueue_events(unit, outbox.updated_events(changed))
    await tag_counts.count_writes(unit, changed)
    await follow.follow_writes(writer, changed, Cause.CONTACT_CHANGED, on_lists)


async def delete_contacts(unit: WriteUnit, deleted: Sequence[Contact]) -> None:
    """Delete contacts with their events, and remove them from lists and static segments."""
    unit.renew_contacts_version()
    unit.count_contacts(-len(deleted))
    writer = await open_writer(unit)
    on_lists = await follow.load_lists(writer, deleted)
    pks = [contact.pk for contact in deleted]
    left_lists = await lists.load_refs_of_contacts(unit, pks) if unit.row.active_webhook_count else ()
    await queries.delete_contacts(unit, pks)
    await outbox.enqueue_events(unit, outbox.left_list_events(deleted, left_lists))
    writes = [(contact, None) for contact in deleted]
    await tag_counts.count_writes(unit, writes)
    await follow.follow_writes(writer, writes, Cause.CONTACT_DELETED, on_lists)
