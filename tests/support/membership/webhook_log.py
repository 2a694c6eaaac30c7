"""Compares the webhook events about memberships with the log."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from sqlalchemy import bindparam, select

from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause
from diglot.model.segments import SegmentType
from diglot.model.webhooks import EventPayload, WebhookEventType
from diglot.storage.audience import lists, segments
from diglot.storage.contacts import queries
from diglot.storage.membership import changes
from diglot.storage.schema import deliveries, membership_log
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant
from support.membership.membership_checks import ALL_ROWS

_l, _d = membership_log.c, deliveries.c
_LOG = Statement(
    select(_l.first_entry, _l.last_entry, _l.happened_at, _l.cause, _l.body)
    .where(_l.workspace == bindparam("workspace"), _l.first_entry > bindparam("after"))
    .order_by(_l.first_entry)
)
_OUTBOX = Statement(
    select(_d.delivery, _d.event, _d.payload)
    .where(_d.workspace == bindparam("workspace"), _d.delivery > bindparam("after"))
    .order_by(_d.delivery)
)
_SEGMENT = (WebhookEventType.SEGMENT_LEFT, WebhookEventType.SEGMENT_ENTERED, WebhookEventType.SEGMENT_CHANGED)
_LIST = (WebhookEventType.LIST_LEFT, WebhookEventType.LIST_JOINED, WebhookEventType.LIST_CHANGED)
_subject = msgspec.json.Decoder(EventPayload).decode


@dataclass(frozen=True)
class MembershipEvent:
    """One event: about a contact by its id, or the numbers of contacts that entered and left."""

    event: WebhookEventType
    group: str
    first: int
    last: int
    at: int
    cause: Cause
    contact: str | None = None
    moved: tuple[int, int] | None = None


@dataclass
class EventReader:
    """A webhook that subscribes to everything in a workspace, and a reader of the log."""

    workspace: int
    max_in_one: int
    max_in_all: int
    entry: int = 0
    delivery: int = 0
    ids: dict[int, str] = field(default_factory=dict)
    contacts: Mapping[str, Contact] = field(default_factory=dict)
    groups: dict[int, tuple[str, tuple[WebhookEventType, WebhookEventType, WebhookEventType]]] = field(
        default_factory=dict
    )
    batches: int = 0

    async def compare(self, engine: Engine) -> int:
        """Compare the new events with the log; return the number of contacts in single events."""
        return await engine.read(self._compare)

    async def _compare(self, transaction: Transaction) -> int:
        before = self.contacts
        await self._load_ids(transaction)
        expected = [item async for item in self._logged(transaction)]
        heard: list[MembershipEvent] = []
        for told, contact in await self._received(transaction):
            heard.append(told)
            if contact is not None:
                assert contact in (before.get(contact.id), self.contacts.get(contact.id)), told
        assert heard == expected
        self.batches += sum(event.moved is not None for event in heard)
        return sum(event.contact is not None for event in heard)

    async def _load_ids(self, transaction: Transaction) -> None:
        """Load the current ids; those of deleted resources stay known by their dense keys."""
        tenant = Tenant(transaction, self.workspace)
        result = await queries.load_contact_page(tenant, ALL_ROWS)
        self.contacts = {item.id: item for item in result}
        self.ids |= {item.pk: item.id for item in result}
        for segment in (await segments.load_page(tenant, ALL_ROWS)).items:
            self.groups[segment.number] = (segment.id, _SEGMENT)
        dynamic = await lists.load_page(tenant, ALL_ROWS, SegmentType.DYNAMIC, None)
        for list_, _ in dynamic.items:
            assert list_.segment is not None
            self.groups[list_.segment.number] = (list_.id, _LIST)

    async def _logged(self, transaction: Transaction) -> AsyncIterator[MembershipEvent]:
        values = {"workspace": self.workspace, "after": self.entry}
        for entry, last, at, cause, body in await transaction.fetch_all(_LOG, values):
            moved = changes.decode(bytes(body))
            few = [move for move in moved if move.entry_count <= self.max_in_one]
            each = sum(item.entry_count for item in few) <= self.max_in_all
            first = entry
            for change in moved:
                moment = (at, Cause(cause))
                for item in self._of(change, first, moment, each=each and change in few):
                    yield item
                first += change.entry_count
            assert first == last + 1
            self.entry = entry

    def _of(
        self, change: changes.SegmentChange, first: int, moment: tuple[int, Cause], *, each: bool
    ) -> Iterator[MembershipEvent]:
        group, (left, entered, many) = self.groups[change.segment]
        if not each:
            moved = (len(change.entered), len(change.left))
            yield MembershipEvent(many, group, first, first + change.entry_count - 1, *moment, moved=moved)
            return
        keys = [(left, pk) for pk in change.left] + [(entered, pk) for pk in change.entered]
        for sequence, (event, pk) in enumerate(keys, first):
            yield MembershipEvent(event, group, sequence, sequence, *moment, contact=self.ids[pk])

    async def _received(self, transaction: Transaction) -> Sequence[tuple[MembershipEvent, Contact | None]]:
        events = [_to_event(*event) for event in await self.new_events(transaction)]
        return [event for event in events if event is not None]

    async def new_events(self, transaction: Transaction) -> list[tuple[WebhookEventType, EventPayload]]:
        """Return the events since the last call, in order."""
        values = {"workspace": self.workspace, "after": self.delivery}
        rows = await transaction.fetch_all(_OUTBOX, values)
        self.delivery = rows[-1][0] if rows else self.delivery
        return [(WebhookEventType(event), _subject(subject)) for _, event, subject in rows]


def _to_event(
    event: WebhookEventType, subject: EventPayload
) -> tuple[MembershipEvent, Contact | None] | None:
    """Return the event of a delivery, or None for static lists, which have no log."""
    group, move, batch = subject.group, subject.move, subject.batch
    if batch is not None:
        assert group is not None
        moved = (batch.entered, batch.left)
        return MembershipEvent(
            event, group.id, batch.first, batch.last, batch.at, batch.cause, moved=moved
        ), None
    if move is None:
        return None
    assert group is not None
    assert subject.contact is not None
    sequence = move.sequence
    told = MembershipEvent(
        event, group.id, sequence, sequence, move.at, move.cause, contact=subject.contact.id
    )
    return told, subject.contact
