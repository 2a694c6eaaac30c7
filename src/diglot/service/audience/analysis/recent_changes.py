"""The newest membership changes with the names of their segments and contacts, for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from diglot.clock import MAX_CLOCK_AHEAD
from diglot.errors import NotFound
from diglot.membership.analysis import recent_changes
from diglot.membership.analysis.recent_changes import Wanted
from diglot.membership.history.feed import FeedEntry
from diglot.model.contacts import Contact
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.segments import Segment
from diglot.service.audience.segment_lookup import require_segment
from diglot.service.contacts.contacts_by_id import REFERENCED_CONTACT
from diglot.service.unit_of_work import reads
from diglot.storage import workspaces
from diglot.storage.audience import named_segments
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant


class RecentChange(msgspec.Struct, frozen=True):
    """A contact entered or left a segment; `contact` is None if it was deleted since.

    `through` is the segment that the origin names, None if it names none or that was deleted.
    """

    number: int
    origin: ChangeOrigin
    segment: Segment
    contact: Contact | None
    entered: bool
    through: Segment | None


class RecentPage(msgspec.Struct, frozen=True):
    """Changes, the newest first; `older` is the entry up to which older ones are asked for, None at the end.

    `history_since` is the instant at which the history begins (microseconds).
    """

    changes: Sequence[RecentChange]
    older: int | None
    history_since: int


@dataclass(frozen=True, slots=True)
class RecentChanges:
    """The use case of the newest changes; it reads one snapshot."""

    engine: Engine

    @reads
    async def list_page(
        self,
        tenant: Tenant,
        limit: int,
        segment_id: str | None = None,
        contact_id: str | None = None,
        until: int | None = None,
    ) -> RecentPage:
        """Return the newest changes up to an entry number, of a segment and a contact if they are named.

        Changes of dynamic lists and of deleted segments are left out. Raise `NotFound` for the segment or the
        contact.
        """
        state = await workspaces.load_state(tenant)
        wanted = await _find_wanted(tenant, segment_id, contact_id)
        last = state.last_entry if until is None else min(until, state.last_entry)
        found = await recent_changes.load_recent_changes(tenant, wanted, last, limit, state)
        return RecentPage(await _name(tenant, found.entries), found.older, state.history_since)


async def _find_wanted(tenant: Tenant, segment_id: str | None, contact_id: str | None) -> Wanted:
    segment = None if segment_id is None else await require_segment(tenant, segment_id)
    contact = None if contact_id is None else await queries.find_contact_by_id(tenant, contact_id)
    if contact_id is not None and contact is None:
        raise NotFound(REFERENCED_CONTACT)
    number = None if segment is None else segment.number
    if contact is None:
        return Wanted(number)
    # The clock of a client that said when it was created may have run ahead.
    return Wanted(number, contact.pk, contact.created_at - MAX_CLOCK_AHEAD)


async def _name(tenant: Tenant, entries: Iterable[FeedEntry]) -> list[RecentChange]:
    entries = list(entries)
    numbers = {entry.segment for entry in entries}
    numbers |= {one for entry in entries if (one := entry.origin.segment) is not None}
    segments = await named_segments.load_each(tenant, numbers)
    found = await queries.load_contacts(tenant, sorted({entry.pk for entry in entries}))
    contacts = {contact.pk: contact for contact in found}
    return [
        RecentChange(
            entry.number,
            entry.origin,
            segments[entry.segment],
            contacts.get(entry.pk),
            entry.entered,
            segments.get(entry.origin.segment or 0),
        )
        for entry in entries
        if entry.segment in segments
    ]
