"""The only module that writes contacts, so that every write updates what depends on contacts.

Memberships, tag counts, the contact count and webhook deliveries are updated in the same write unit.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from diglot.conditions.addresses import list_stored_forms
from diglot.conditions.fields import stricter
from diglot.membership import follow
from diglot.membership.moves import EventMove
from diglot.membership.writer import open_writer
from diglot.model.contacts import SUBSCRIBED, Contact
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


async def update_contacts(
    unit: WriteUnit, changed: Sequence[ContactUpdate], events: Sequence[EventMove] = ()
) -> None:
    """Update existing contacts, perhaps after events; a lowered status lowers that of their twins too."""
    if not changed:
        return
    changed = [*changed, *await _lower_twins(unit, changed)]
    after = [contact for _, contact in changed]
    unit.renew_contacts_version()
    writer = await open_writer(unit)
    around = await follow.load_around(writer, after, events)
    await queries.update_contacts(unit, changed, unit.zone)
    await attribute_keys.record_keys(unit, [new for old, new in changed if new.attributes != old.attributes])
    await outbox.enqueue_events(unit, outbox.updated_events(changed))
    await tag_counts.count_writes(unit, changed)
    await follow.follow_writes(writer, changed, Cause.CONTACT_CHANGED, around, events)


async def follow_events(unit: WriteUnit, moved: Sequence[tuple[Contact, EventMove]]) -> None:
    """Update memberships after events of different contacts that changed no field of these."""
    writer = await open_writer(unit)
    readers = writer.active_segments.readers_of_events.by_name
    writes = [(contact, contact) for contact, event in moved if event.name in readers]
    if writes:
        events = [event for _, event in moved if event.name in readers]
        unit.renew_contacts_version()
        around = await follow.load_around_events(writer, events)
        await follow.follow_writes(writer, writes, Cause.CONTACT_CHANGED, around, events)


async def repeat_opt_outs(unit: WriteUnit, contacts: Iterable[Contact]) -> None:
    """Lower the twins of contacts that opt out again, so that nothing of the contacts themselves changes."""
    statuses = dict(_iterate_other_forms((contact, contact.status) for contact in contacts))
    await update_contacts(unit, await _lower(unit, statuses, frozenset()))


async def _lower_twins(unit: WriteUnit, changed: Sequence[ContactUpdate]) -> list[ContactUpdate]:
    """Return the updates of contacts that have the address of a changed one in its other form.

    Both are one mailbox, so who opts out of one opts out of both.
    """
    lowered = ((old, new.status) for old, new in changed if new.status not in (SUBSCRIBED, old.status))
    statuses = dict(_iterate_other_forms(lowered))
    return await _lower(unit, statuses, {old.pk for old, _ in changed})


def _iterate_other_forms(lowered: Iterable[tuple[Contact, str]]) -> Iterator[tuple[str, str]]:
    """Yield the other form of each address that has one, with the status of the contact."""
    for contact, status in lowered:
        for form in list_stored_forms(contact.email):
            if form != contact.email and status != SUBSCRIBED:
                yield form, status


async def _lower(unit: WriteUnit, statuses: Mapping[str, str], but: Collection[int]) -> list[ContactUpdate]:
    """Return the updates of contacts by their stored addresses, except those with the dense keys `but`."""
    updates: list[ContactUpdate] = []
    if not statuses:
        return updates
    for email, twin in (await queries.find_contacts_by_stored_email(unit, list(statuses))).items():
        status = stricter(twin.status, statuses[email])
        if twin.pk not in but and status != twin.status:
            updates.append((twin, replace(twin, status=status, updated_at=unit.now)))
    return updates


async def delete_contacts(unit: WriteUnit, deleted: Sequence[Contact]) -> None:
    """Delete contacts with their events, and remove them from lists and static segments."""
    unit.renew_contacts_version()
    unit.count_contacts(-len(deleted))
    writer = await open_writer(unit)
    around = await follow.load_around(writer, deleted)
    pks = [contact.pk for contact in deleted]
    left_lists = await lists.load_refs_of_contacts(unit, pks) if unit.row.active_webhook_count else ()
    await queries.delete_contacts(unit, pks)
    await outbox.enqueue_events(unit, outbox.left_list_events(deleted, left_lists))
    writes = [(contact, None) for contact in deleted]
    await tag_counts.count_writes(unit, writes)
    await follow.follow_writes(writer, writes, Cause.CONTACT_DELETED, around)
