"""The outbox: what happened, written for each webhook that wants to hear of it, with the change itself.

A write of contacts passes `contact_writes`; whatever else happens calls `emit` in its transaction.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import msgspec

from diglot.model.contacts import SUBSCRIBED, UNSUBSCRIBED, Contact
from diglot.model.ids import new_id
from diglot.model.webhooks import Delivery, Event, Group, Occurrence, Subject, Webhook
from diglot.storage import workspaces
from diglot.storage.sql.engine import Transaction
from diglot.storage.webhooks import deliveries, webhooks
from diglot.storage.workspaces import Locked

# An import may be told to a hundred webhooks: so many deliveries are in memory at once, and on PostgreSQL
# others have their turn between two parts.
PART_LENGTH: Final = 500
_encode = msgspec.json.Encoder().encode
# They move with what a contact does, which has events of its own.
_UNTOLD: Final = frozenset(
    {
        *("total_opens", "total_clicks", "total_orders", "total_spent"),
        *("last_opened_at", "last_clicked_at", "last_emailed_at", "updated_at"),
    }
)
_TOLD: Final = tuple(name for name in Contact.__struct_fields__ if name not in _UNTOLD)
_STATUS_EVENTS: Final = {
    SUBSCRIBED: Event.CONTACT_SUBSCRIBED,
    UNSUBSCRIBED: Event.CONTACT_UNSUBSCRIBED,
}


async def emit(
    transaction: Transaction, workspace: int, locked: Locked, occurrences: Iterable[Occurrence], at: int
) -> None:
    """Write a delivery of each event to each webhook that hears of it; the workspace is locked.

    `at` is when it happened. Without webhooks nothing is looked at.
    """
    if not locked.webhooks:
        return
    heard = _heard(await webhooks.every_active(transaction, workspace), occurrences)
    while part := list(islice(heard, PART_LENGTH)):
        await put(transaction, workspace, part, at)


async def heard(transaction: Transaction, workspace: int) -> frozenset[Event]:
    """Return the events that any webhook hears of."""
    hooks = await webhooks.every_active(transaction, workspace)
    return frozenset(event for hook in hooks for event in hook.hears)


def _heard(
    hooks: Sequence[Webhook], occurrences: Iterable[Occurrence]
) -> Iterator[tuple[Webhook, Occurrence]]:
    wanted = {event for hook in hooks for event in hook.hears}
    for occurrence in occurrences:
        events = occurrence.heard_as
        if not events.isdisjoint(wanted):
            yield from ((hook, occurrence) for hook in hooks if not events.isdisjoint(hook.hears))


async def put(
    transaction: Transaction, workspace: int, heard: Sequence[tuple[Webhook, Occurrence]], at: int
) -> list[Delivery]:
    """Put events into the outbox, in their order; return the deliveries."""
    taken = await workspaces.lock(transaction, workspace, deliveries=len(heard), moves=False)
    new: list[Delivery] = []
    last: Subject | None = None
    subject = ""
    for number, (hook, occurrence) in enumerate(heard, taken.delivery):
        if occurrence.subject is not last:
            last, subject = occurrence.subject, _encode(occurrence.subject).decode()
        new.append(_delivery(number, hook, occurrence.event, subject, at))
    await deliveries.insert_all(transaction, workspace, new)
    transaction.announce()
    return new


def _delivery(number: int, hook: Webhook, event: Event, subject: str, at: int) -> Delivery:
    return Delivery(
        number=number,
        id=new_id(),
        webhook=hook.number,
        event=event,
        subject=subject,
        attempts=0,
        due_at=at,
        delivered_at=None,
        last_status=None,
        last_error=None,
        last_response=None,
        created_at=at,
    )


def made(new: Iterable[Contact]) -> Iterator[Occurrence]:
    """Yield what new contacts are told of."""
    for contact in new:
        yield Occurrence(Event.CONTACT_CREATED, Subject(contact))


def changed(pairs: Iterable[tuple[Contact, Contact]]) -> Iterator[Occurrence]:
    """Yield what changes of contacts are told of: that they changed, then that a status did."""
    for before, after in pairs:
        subject = Subject(after)
        if any(getattr(before, name) != getattr(after, name) for name in _TOLD):
            yield Occurrence(Event.CONTACT_UPDATED, subject)
        if before.status != after.status and after.status in _STATUS_EVENTS:
            yield Occurrence(_STATUS_EVENTS[after.status], subject)


def off_lists(gone: Iterable[Contact], left: Iterable[tuple[int, Group]]) -> Iterator[Occurrence]:
    """Yield what deleted contacts are told of, given the static lists that each was on, by key."""
    by_pk = {contact.pk: contact for contact in gone}
    for pk, group in left:
        yield Occurrence(Event.LIST_LEFT, Subject(by_pk[pk], group))
