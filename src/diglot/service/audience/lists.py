"""Lists: create, read, update, delete, and manage their contacts."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import NotFound
from diglot.membership import evaluate, read
from diglot.membership.count import CountCache
from diglot.membership.evaluate import EvaluatedSegment
from diglot.membership.read import MembershipQuery, with_next_change
from diglot.membership.writer import open_writer
from diglot.model.contacts import Contact, ListName
from diglot.model.ids import new_id
from diglot.model.lists import ContactList, CountedList
from diglot.model.pages import CountedPage, Page, Window
from diglot.model.segments import Condition, DeletedReference, Segment, SegmentType
from diglot.model.workspaces import DEFAULT_LIMITS, WorkspaceLimits
from diglot.service.audience import references, segment_writes
from diglot.service.audience.segment_writes import NewSegment, SegmentPatch
from diglot.service.contacts import list_members
from diglot.service.contacts.contacts_by_id import require_contacts
from diglot.service.limits import require_room
from diglot.service.unit_of_work import point_reads, reads, writes, writes_with
from diglot.storage import workspaces
from diglot.storage.audience import lists
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import MOVES_MEMBERS, WriteUnit


class NewList(msgspec.Struct, frozen=True):
    """A list to create; it is dynamic if it has a condition."""

    name: str
    description: str | None = None
    condition: Condition | None = None


@dataclass(slots=True)
class Lists:
    """The use cases of lists; every call is one transaction within the caller's workspace.

    A dynamic list is backed by a segment, so the code for segments evaluates its condition.
    """

    engine: Engine
    clock: Clock = system_clock
    counts: CountCache = field(default_factory=CountCache)
    limits: WorkspaceLimits = DEFAULT_LIMITS

    @reads
    async def list_page(
        self,
        tenant: Tenant,
        window: Window,
        list_type: SegmentType | None = None,
        search: str | None = None,
    ) -> Page[CountedList]:
        """Return a window of the lists, newest first, with counts from one snapshot."""
        page = await lists.load_page(tenant, window, list_type, search)
        state = await workspaces.load_state(tenant)
        now = self.clock()
        counted = [
            await self._with_count(tenant, list_with_count, state, now) for list_with_count in page.items
        ]
        return Page(counted, page.total)

    @reads
    async def find_static(self, tenant: Tenant, search: str | None, limit: int) -> list[ListName]:
        """Return the newest static lists, without counting their contacts."""
        return await lists.load_static_names(tenant, search, limit)

    @point_reads
    async def get_without_count(self, tenant: Tenant, id_: str | None) -> ContactList:
        """Return a list without its count; raise `NotFound`."""
        contact_list, _ = await require_list(tenant, id_)
        return contact_list

    @reads
    async def get(self, tenant: Tenant, id_: str | None) -> CountedList:
        """Return a list with its count; raise `NotFound`."""
        list_with_count = await require_list(tenant, id_)
        state = await workspaces.load_state(tenant)
        return await self._with_count(tenant, list_with_count, state, self.clock())

    @reads
    async def list_members(
        self,
        tenant: Tenant,
        id_: str | None,
        window: Window,
        condition: tree.Node | None = None,
    ) -> CountedPage[Contact]:
        """Return a window of the contacts on a list, newest first; a condition restricts them further.

        Raise `NotFound`.
        """
        contact_list, _ = await require_list(tenant, id_)
        state = await workspaces.load_state(tenant)
        query = members_query(contact_list, self.clock(), state).restricted_to(condition)
        total = await self.counts.count(tenant, query, state)
        page = await read.load_page(tenant, query, window)
        revision = None if contact_list.segment is None else contact_list.segment.revision
        return CountedPage(page, total, query.now, revision)

    @writes
    async def create(self, unit: WriteUnit, new: NewList) -> CountedList:
        """Create a list; raise `LimitReached`."""
        require_room("lists", self.limits.lists, unit.row.list_count)
        unit.row.list_count += 1
        number, now = unit.take_keys("list"), unit.now
        contact_list = ContactList(number, new_id(), new.name, new.description, None, now, now)
        evaluated = None
        if new.condition is not None:
            new_segment = NewSegment(new.name, new.condition, new.description)
            evaluated = await segment_writes.create_segment(unit, new_segment, self.limits, contact_list)
            contact_list = replace(contact_list, segment=evaluated.segment)
        await lists.insert_list(unit, contact_list)
        return await self._with_known_count(unit, contact_list, evaluated)

    @writes
    async def update(self, unit: WriteUnit, id_: str | None, change: SegmentPatch) -> CountedList:
        """Update a list; raise `NotFound` or `LimitReached`.

        A patch that changes nothing leaves `updated_at` as it is. Only a dynamic list takes a condition.
        """
        stored, _ = await require_list(unit, id_)
        evaluated = None if stored.segment is None else EvaluatedSegment(stored.segment)
        if stored.segment is not None and not segment_writes.changes_nothing(stored.segment, change):
            writer = await open_writer(unit)
            # The list is read again, because the writer may have applied changes by time to its segment.
            stored, _ = await require_list(unit, id_)
            assert stored.segment is not None
            evaluated = await segment_writes.update_segment(writer, stored.segment, change, self.limits)
        segment = None if evaluated is None else evaluated.segment
        changed = _apply_patch(stored, change, segment, unit.now)
        if changed is not stored:
            await lists.update_list(unit, changed)
        return await self._with_known_count(unit, changed, evaluated)

    @writes_with(MOVES_MEMBERS)
    async def delete(self, unit: WriteUnit, id_: str | None, *, force: bool = True) -> None:
        """Delete a list and the segment behind it; its contacts stay.

        Segments whose rules exclude the list become invalid. Raise `NotFound`, or without `force` `InUse` if
        there are such segments.
        """
        unit.renew_contacts_version()
        await open_writer(unit)
        contact_list, _ = await require_list(unit, id_)
        if contact_list.segment is not None:
            await segment_writes.delete_segment(unit, contact_list.segment)
        deleted = DeletedReference("lists", contact_list.id, contact_list.name)
        await references.invalidate_dependents(unit, deleted, force=force)
        await lists.delete_list(unit, contact_list.number)
        unit.row.list_count -= 1
        # Opened again, because the active segments may have changed.
        await evaluate.handle_list_deleted(await open_writer(unit))

    @writes_with(MOVES_MEMBERS)
    async def add_contacts(
        self, unit: WriteUnit, id_: str | None, ids: Sequence[str | None]
    ) -> tuple[int, int]:
        """Add contacts to a static list; return the number of added contacts and the new total.

        Raise `NotFound` if the list or one of the contacts does not exist; then no contact is added.
        """
        contact_list, count = await require_list(unit, id_)
        list_members.require_static_list(contact_list)
        joining = await require_contacts(unit, ids)
        added = await list_members.add_contacts(unit, contact_list, joining)
        return added, count + added

    @writes_with(MOVES_MEMBERS)
    async def remove_contact(self, unit: WriteUnit, id_: str | None, contact_id: str | None) -> None:
        """Remove a contact from a static list; raise `NotFound` if it is not on the list."""
        contact_list, _ = await require_list(unit, id_)
        list_members.require_static_list(contact_list)
        contact = None if contact_id is None else await queries.find_contact_by_id(unit, contact_id)
        if contact is None or not await list_members.remove_contact(unit, contact_list, contact):
            raise NotFound("contact")

    async def _with_count(
        self,
        tenant: Tenant,
        list_with_count: tuple[ContactList, int],
        state: WorkspaceState,
        now: int,
    ) -> CountedList:
        contact_list, static_count = list_with_count
        if contact_list.segment is None:
            return CountedList(contact_list, static_count, read.effective_now(state, now))
        query = MembershipQuery.for_segment(contact_list.segment, now, state)
        count = await self.counts.count(tenant, query, state)
        segment = await with_next_change(tenant, contact_list.segment, state, now)
        return CountedList(replace(contact_list, segment=segment), count, query.now)

    async def _with_known_count(
        self, unit: WriteUnit, contact_list: ContactList, evaluated: EvaluatedSegment | None
    ) -> CountedList:
        """Return a written list with its count, which is known if its segment was evaluated."""
        # The unit may have waited for its lock, so its own instant may lie behind the workspace clock.
        state, now = unit.state, unit.clock()
        if contact_list.segment is not None:
            segment = await with_next_change(unit, contact_list.segment, state, now)
            contact_list = replace(contact_list, segment=segment)
        query = members_query(contact_list, now, state)
        if evaluated is not None and evaluated.count is not None:
            return CountedList(contact_list, evaluated.count, query.now)
        return CountedList(contact_list, await self.counts.count_uncached(unit, query, state), query.now)


def _apply_patch(stored: ContactList, change: SegmentPatch, segment: Segment | None, now: int) -> ContactList:
    changed = replace(
        stored,
        name=stored.name if change.name is UNSET else change.name,
        description=stored.description if change.description is UNSET else change.description,
        segment=segment,
    )
    return stored if changed == stored else replace(changed, updated_at=now)


def members_query(contact_list: ContactList, now: int, state: WorkspaceState) -> MembershipQuery:
    """Return the query for the contacts on a list in a state of its workspace."""
    if contact_list.segment is not None:
        return MembershipQuery.for_segment(contact_list.segment, now, state)
    on_it = tree.Predicate("lists", tree.Op.EQUALS, tree.Text(contact_list.id))
    return MembershipQuery(on_it, read.effective_now(state, now), state.zone)


async def require_list(tenant: Tenant, id_: str | None) -> tuple[ContactList, int]:
    """Return a list by its id with the number of its rows as a static list; raise `NotFound`."""
    list_with_count = None if id_ is None else await lists.find_by_id(tenant, id_)
    if list_with_count is None:
        raise NotFound("list")
    return list_with_count
