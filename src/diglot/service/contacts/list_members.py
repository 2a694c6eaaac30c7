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
    "This list is dynamic: its conditions decide who is on it, nobody is put on it by hand"
)


def require_static_list(one: ContactList, path: Path = ()) -> None:
    """Raise `InvalidInput` for a dynamic list."""
    if one.segment is not None:
        raise InvalidInput.at(path, _DYNAMIC_LIST_MESSAGE)


async def add_contacts(unit: WriteUnit, one: ContactList, joining: Sequence[Contact]) -> int:
    """Add contacts to a static list, ignoring those on it already; return the number of added contacts."""
    transaction, workspace = unit.transaction, unit.workspace
    by_pk = {contact.pk: contact for contact in joining}
    already = await lists.find_members_among(transaction, workspace, one.number, sorted(by_pk))
    new = sorted(by_pk.keys() - already)
    if new:
        added = [by_pk[pk] for pk in new]
        unit.renew_contacts_version()
        here = await open_writer(unit)
        before = await follow.load_lists(here, added)
        await lists.add_members(transaction, workspace, one.number, new)
        await follow.follow_list_moves(here, added, before)
        await _enqueue_list_events(unit, WebhookEventType.LIST_JOINED, one, added)
    return len(new)


async def remove_contact(unit: WriteUnit, one: ContactList, leaving: Contact) -> bool:
    """Remove a contact from a static list; return whether it was on the list."""
    transaction, workspace = unit.transaction, unit.workspace
    if not await lists.find_members_among(transaction, workspace, one.number, [leaving.pk]):
        return False
    unit.renew_contacts_version()
    here = await open_writer(unit)
    before = await follow.load_lists(here, [leaving])
    await lists.remove_member(transaction, workspace, one.number, leaving.pk)
    await follow.follow_list_moves(here, [leaving], before)
    await _enqueue_list_events(unit, WebhookEventType.LIST_LEFT, one, [leaving])
    return True


async def _enqueue_list_events(
    unit: WriteUnit, event: WebhookEventType, one: ContactList, moved: Sequence[Contact]
) -> None:
    group = AudienceRef(one.id, one.name)
    occurrences = [DomainEvent(event, EventPayload(contact, group)) for contact in moved]
    await outbox.enqueue_events(unit, occurrences)
