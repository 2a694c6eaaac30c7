"""Every change of who is on a static list passes here, so that what follows from one follows from all.

The workspace is locked by then.
"""

from collections.abc import Sequence
from typing import Final

from diglot.errors import Invalid, Path
from diglot.membership import follow
from diglot.membership.writer import current
from diglot.model.contacts import Contact
from diglot.model.lists import ContactList
from diglot.model.webhooks import Event, Group, Occurrence, Subject
from diglot.service.audience.segment_writes import Writing
from diglot.storage.audience import lists
from diglot.webhooks import outbox

_BY_CONDITION: Final = "This list is dynamic: its conditions decide who is on it, nobody is put on it by hand"


def require_static(one: ContactList, path: Path = ()) -> None:
    """Raise `Invalid` for a dynamic list."""
    if one.segment is not None:
        raise Invalid.at(path, _BY_CONDITION)


async def join(writing: Writing, one: ContactList, joining: Sequence[Contact]) -> int:
    """Put contacts on a static list; those who are on it already stay. Return how many came to it."""
    transaction, workspace = writing.transaction, writing.workspace
    by_pk = {contact.pk: contact for contact in joining}
    already = await lists.members_among(transaction, workspace, one.number, sorted(by_pk))
    new = sorted(by_pk.keys() - already)
    if new:
        came = [by_pk[pk] for pk in new]
        here = await current(transaction, workspace, writing.locked, writing.now)
        before = await follow.lists_of(here, came)
        await lists.join(transaction, workspace, one.number, new)
        await follow.follow_lists(here, came, before)
        await _tell(writing, Event.LIST_JOINED, one, came)
    return len(new)


async def leave(writing: Writing, one: ContactList, leaving: Contact) -> bool:
    """Take a contact off a static list; tell whether it was on it."""
    transaction, workspace = writing.transaction, writing.workspace
    if not await lists.members_among(transaction, workspace, one.number, [leaving.pk]):
        return False
    here = await current(transaction, workspace, writing.locked, writing.now)
    before = await follow.lists_of(here, [leaving])
    await lists.leave(transaction, workspace, one.number, leaving.pk)
    await follow.follow_lists(here, [leaving], before)
    await _tell(writing, Event.LIST_LEFT, one, [leaving])
    return True


async def _tell(writing: Writing, event: Event, one: ContactList, moved: Sequence[Contact]) -> None:
    group = Group(one.id, one.name)
    occurrences = [Occurrence(event, Subject(contact, group)) for contact in moved]
    await outbox.emit(writing.transaction, writing.workspace, writing.locked, occurrences, writing.now)
