"""The segments of one contact."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from diglot.clock import Clock, system_clock
from diglot.errors import NotFound
from diglot.membership.analysis import containing
from diglot.model.membership_changes import ChangeOrigin
from diglot.model.pages import Window
from diglot.model.segments import Segment
from diglot.service.unit_of_work import reads
from diglot.storage import workspaces
from diglot.storage.audience import named_segments
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant


class Membership(msgspec.Struct, frozen=True):
    """A segment that a contact is in, and when and why it entered, None if the history does not say."""

    segment: Segment
    entry_origin: ChangeOrigin | None


class MembershipPage(msgspec.Struct, frozen=True):
    """Some of the segments of a contact, the number of them all, and the last change that they include."""

    items: Sequence[Membership]
    total: int
    entry: int


@dataclass(frozen=True, slots=True)
class ContactSegments:
    """The use case of the segments of a contact; it reads one snapshot."""

    engine: Engine
    clock: Clock = system_clock

    @reads
    async def list_page(self, tenant: Tenant, id_: str | None, window: Window) -> MembershipPage:
        """Return a window of the segments of a contact, newest segment first; raise `NotFound`."""
        contact = None if id_ is None else await queries.find_contact_by_id(tenant, id_)
        if contact is None:
            raise NotFound("contact")
        state = await workspaces.load_state(tenant)
        numbers = await containing.find_containing(tenant, contact.pk, self.clock(), state)
        shown = numbers[window.offset : window.offset + window.limit]
        origins = await containing.find_entry_origins(tenant, shown, contact.pk, state)
        segments = await named_segments.load_each(tenant, shown)
        memberships = [Membership(segments[number], origins.get(number)) for number in shown]
        return MembershipPage(memberships, len(numbers), state.last_entry)
