"""Every change of who is on a static list passes here, so that what follows from one follows from all.

The workspace is locked by then.
"""

from collections.abc import Sequence
from typing import Final

from diglot.errors import Invalid, Path
from diglot.membership import follow
from diglot.membership.writer import open_writer
from diglot.model.contacts import Contact
from diglot.model.lists import ContactList
from diglot.model.webhooks import AudienceRef, DomainEvent, EventPayload, WebhookEventType
from diglot.service.unit_of_work import WriteUnit
from diglot.storage.audience import lists
from diglot.webhooks import outbox

_DYNAMIC_LIST_MESSAGE: Final = (
    "This list is dynamic: its conditions decide who is on it, nobody is put on it by hand"
)


def require_static_list(one: ContactList, path: Path = ()) -> None:
    """Raise `Invalid` for a dynamic list."""
    if one.segment is not None:
        raise Invalid.at(path, _DYNAMIC_LIST_MESSAGE)


async def add_contacts(writing: WriteUnit, one: ContactList, joining: Sequence[Contact]) -> int:
    """Put contacts on a static list; those who are on it already stay. Return how many came to it."""
    transaction, workspace = writing.transaction, writing.workspace
    by_pk = {contact.pk: contact for contact in joining}
    already = await lists.find_members_among(transaction, workspace, one.number, sorted(by_pk))
    new = sorted(by_pk.keys() - already)
    if new:
        came = [by_pk[pk] for pk in new]
        here = await open_writer(transaction, workspace, writing.locked, writing.now)
        before = await follow.load_lists(here, came)
        await lists.add_members(transaction, workspace, one.number, new)
        await follow.follow_list_moves(here, came, before)
        await _enqueue_list_events(writing, WebhookEventType.LIST_JOINED, one, came)
    return len(new)


async def remove_contact(writing: WriteUnit, one: ContactList, leaving: Contact) -> bool:
    """Take a contact off a static list; tell whether it was on it."""
    transaction, workspace = writing.transaction, writing.workspace
    if not await lists.find_members_among(transaction, workspace, one.number, [leaving.pk]):
        return False
    here = await open_writer(transaction, workspace, writing.locked, writing.now)
    before = await follow.load_lists(here, [leaving])
    await lists.remove_member(transaction, workspace, one.number, leaving.pk)
    await follow.follow_list_moves(here, [leaving], before)
    await _enqueue_list_events(writing, WebhookEventType.LIST_LEFT, one, [leaving])
    return True


async def _enqueue_list_events(
    writing: WriteUnit, event: WebhookEventType, one: ContactList, moved: Sequence[Contact]
) -> None:
    group = AudienceRef(one.id, one.name)
    occurrences = [DomainEvent(event, EventPayload(contact, group)) for contact in moved]
    await outbox.enqueue_events(
        writing.transaction, writing.workspace, writing.locked, occurrences, writing.now
    )
