"""The only module that changes static lists, so that every change updates memberships and webhooks."""

from collections.abc import Sequence
from typing import Final

from diglot.errors import InvalidInput, Path
from diglot.membership import follow
from diglot.membership.writer import open_writer
from diglot.model.contacts import Contact
from diglot.model.lists import ContactList
from diglot.model.webhooks import AudienceRef, DomainEvent, EventPayload, WebhookEventType
from diglot.storage.audience import lists
from diglot.storage.write_unit import WriteUnit
from diglot.webhooks import outbox

_DYNAMIC_LIST_MESSAGE: Final = (
    "This list is dynamic: its contacts follow its conditions and cannot be changed by hand"
)


def require_static_list(contact_list: ContactList, path: Path = ()) -> None:
    """Raise `InvalidInput` for a dynamic list."""
    if contact_list.segment is not None:
        raise InvalidInput.at(path, _DYNAMIC_LIST_MESSAGE)


async def add_contacts(unit: WriteUnit, contact_list: ContactList, joining: Sequence[Contact]) -> int:
    """Add contacts to a static list, ignoring those on it already; return the number of added contacts."""
    by_pk = {contact.pk: contact for contact in joining}
    current_pks = await lists.find_members_among(unit, contact_list.number, sorted(by_pk))
    new = sorted(by_pk.keys() - current_pks)
    if new:
        added = [by_pk[pk] for pk in new]
        unit.renew_contacts_version()
        writer = await open_writer(unit)
        before = await follow.load_around(writer, added)
        await lists.add_members(unit, contact_list.number, new)
        await follow.follow_list_moves(writer, added, before)
        await _enqueue_list_events(unit, WebhookEventType.LIST_JOINED, contact_list, added)
    return len(new)


async def remove_contact(unit: WriteUnit, contact_list: ContactList, leaving: Contact) -> bool:
    """Remove a contact from a static list; return whether it was on the list."""
    if not await lists.find_members_among(unit, contact_list.number, [leaving.pk]):
        return False
    unit.renew_contacts_version()
    writer = await open_writer(unit)
    before = await follow.load_around(writer, [leaving])
    await lists.remove_member(unit, contact_list.number, leaving.pk)
    await follow.follow_list_moves(writer, [leaving], before)
    await _enqueue_list_events(unit, WebhookEventType.LIST_LEFT, contact_list, [leaving])
    return True


async def _enqueue_list_events(
    unit: WriteUnit, event: WebhookEventType, contact_list: ContactList, moved: Sequence[Contact]
) -> None:
    list_ref = AudienceRef(contact_list.id, contact_list.name)
    occurrences = [DomainEvent(event, EventPayload(contact, list_ref)) for contact in moved]
    await outbox.enqueue_events(unit, occurrences)
