"""Tags: create, read, rename, delete, and tag contacts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.conditions.analysis.references import Reference
from diglot.conditions.fields import MAX_TAGS
from diglot.errors import Conflict, InvalidInput, NotFound
from diglot.membership import read
from diglot.membership.read import MembershipQuery
from diglot.model.contacts import Contact, ContactChange
from diglot.model.ids import new_id
from diglot.model.pages import Page, Window
from diglot.model.segments import DeletedReference
from diglot.model.tags import DEFAULT_COLOR, Tag
from diglot.service.audience import references
from diglot.service.audience.references import Renaming
from diglot.service.contacts import contact_writes
from diglot.service.contacts.contact_changes import changed_contact
from diglot.service.contacts.contact_writes import ContactUpdate
from diglot.service.contacts.contacts_by_id import require_contacts
from diglot.service.contacts.tag_counts import decode_tags
from diglot.service.unit_of_work import point_reads, reads, writes, writes_with
from diglot.storage import workspaces
from diglot.storage.audience import tags
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import MOVES_MEMBERS, WriteUnit

# A rename updates its contacts in batches, because a popular tag has too many to hold in memory.
_BATCH_SIZE: Final = 1_000


class TagPatch(msgspec.Struct, frozen=True):
    """The fields of a tag to update or create; `UNSET` leaves a field unchanged."""

    name: str | UnsetType = UNSET
    color: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class Tags:
    """The use cases of tags; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock

    @reads
    async def list_page(self, tenant: Tenant, window: Window, search: str | None = None) -> Page[Tag]:
        """Return a window of the tags, newest first."""
        return await tags.load_page(tenant, window, search)

    @point_reads
    async def get(self, tenant: Tenant, id_: str | None) -> Tag:
        """Return a tag; raise `NotFound`."""
        return await _require_tag(tenant, id_)

    @reads
    async def list_contacts(self, tenant: Tenant, id_: str | None, window: Window) -> Page[Contact]:
        """Return a window of the contacts with a tag, newest first; raise `NotFound`."""
        tag = await _require_tag(tenant, id_)
        state = await workspaces.load_state(tenant)
        query = MembershipQuery(_tag_condition(tag), self.clock(), state.zone)
        return Page(await read.load_page(tenant, query, window), tag.contact_count)

    @writes
    async def create(self, unit: WriteUnit, new: TagPatch) -> Tag:
        """Create a tag; raise `Conflict` for a name that exists, even if no contact has it."""
        number, now = unit.take_keys("tag"), unit.now
        tag = _apply_patch(Tag(number, new_id(), "", DEFAULT_COLOR, None, 0, now, now), new)
        await _require_unused_name(unit, tag)
        await tags.insert_all(unit, [tag])
        return tag

    @writes_with(MOVES_MEMBERS)
    async def update(self, unit: WriteUnit, id_: str | None, change: TagPatch) -> Tag:
        """Update a tag and rename it on its contacts and in rules.

        Raise `NotFound`, or `Conflict` for a name in use.
        """
        stored = await _require_tag(unit, id_)
        changed = _apply_patch(stored, change)
        if changed == stored:
            return stored
        if changed.exact_name != stored.exact_name:
            await _require_unused_name(unit, changed)
            # The renamed row starts at zero, because writing its contacts below counts them.
            changed = replace(changed, contact_count=0)
        changed = replace(changed, updated_at=unit.now)
        await tags.update_tag(unit, changed)
        if changed.name != stored.name:
            await _rename(unit, stored, changed)
        return await _require_tag(unit, id_)

    @writes_with(MOVES_MEMBERS)
    async def delete(self, unit: WriteUnit, id_: str | None, *, force: bool = True) -> None:
        """Delete a tag and remove it from its contacts; segments whose rules exclude it become invalid.

        Raise `NotFound`, or without `force` `InUse` if there are such segments.
        """
        tag = await _require_tag(unit, id_)
        deleted = DeletedReference("tags", tag.exact_name, tag.name)
        await references.invalidate_dependents(unit, deleted, force=force)
        await _rewrite_contacts(unit, tag, None)
        await tags.delete_tag(unit, tag.number)

    @writes_with(MOVES_MEMBERS)
    async def add_to_contacts(
        self, unit: WriteUnit, id_: str | None, ids: Sequence[str | None]
    ) -> tuple[int, int]:
        """Add a tag to contacts; return the number of newly tagged contacts and the new total.

        Raise `NotFound` if the tag or one of the contacts does not exist, `InvalidInput` if one of them has
        the maximum number of tags; then no contact is tagged.
        """
        tag = await _require_tag(unit, id_)
        named = await require_contacts(unit, ids)
        changed = [
            (contact, _with_tags(contact, [*own_tags.values(), tag.name], unit.now))
            for contact in named
            if tag.exact_name not in (own_tags := decode_tags(contact.tags))
        ]
        if any(len(decode_tags(contact.tags)) == MAX_TAGS for contact, _ in changed):
            raise InvalidInput.at((), f"A contact has at most {MAX_TAGS} tags")
        if changed:
            await contact_writes.update_contacts(unit, changed)
        return len(changed), tag.contact_count + len(changed)

    @writes_with(MOVES_MEMBERS)
    async def remove_from_contact(self, unit: WriteUnit, id_: str | None, contact_id: str | None) -> None:
        """Remove a tag from a contact; raise `NotFound` if the contact does not have it."""
        tag = await _require_tag(unit, id_)
        stored = None if contact_id is None else await queries.find_contact_by_id(unit, contact_id)
        own_tags = {} if stored is None else decode_tags(stored.tags)
        if stored is None or own_tags.pop(tag.exact_name, None) is None:
            raise NotFound("contact")
        changed = _with_tags(stored, list(own_tags.values()), unit.now)
        await contact_writes.update_contacts(unit, [(stored, changed)])


def _apply_patch(tag: Tag, change: TagPatch) -> Tag:
    return replace(
        tag,
        name=tag.name if change.name is UNSET else change.name,
        color=tag.color if change.color is UNSET else change.color,
        description=tag.description if change.description is UNSET else change.description,
    )


def _tag_condition(tag: Tag) -> tree.Node:
    return tree.Predicate("tags", tree.Op.EQUALS, tree.Text(tag.exact_name))


def _with_tags(contact: Contact, names: Sequence[str], now: int) -> Contact:
    return changed_contact(contact, ContactChange({"tags": list(names)}), now)


async def _rename(unit: WriteUnit, stored: Tag, changed: Tag) -> None:
    """Rename a tag on its contacts, and in the rules that name it."""
    if changed.exact_name == stored.exact_name:
        await _rewrite_contacts(unit, stored, changed.name)
        return
    renaming = Renaming(Reference("tags", stored.exact_name), changed.exact_name, changed.name)
    dependents = await renaming.begin(unit)
    await _rewrite_contacts(unit, stored, changed.name)
    await renaming.end(unit, dependents)


async def _rewrite_contacts(unit: WriteUnit, tag: Tag, name: str | None) -> None:
    """Rename a tag on every contact that has it, or remove it if the new name is None."""
    query = MembershipQuery(_tag_condition(tag), unit.now, unit.zone)
    pk = 0
    while batch := await read.load_after(unit, query, pk, _BATCH_SIZE):
        renamed = [(contact, _replace_tag(contact, tag.exact_name, name, unit.now)) for contact in batch]
        changed: list[ContactUpdate] = [pair for pair in renamed if pair[0] is not pair[1]]
        await contact_writes.update_contacts(unit, changed)
        pk = batch[-1].pk


def _replace_tag(contact: Contact, exact: str, name: str | None, now: int) -> Contact:
    own_tags = decode_tags(contact.tags)
    names = [name if normal == exact else spelled for normal, spelled in own_tags.items()]
    return _with_tags(contact, [spelled for spelled in names if spelled is not None], now)


async def _require_unused_name(tenant: Tenant, tag: Tag) -> None:
    if await tags.find_by_name(tenant, tag.exact_name) is not None:
        raise Conflict("tag", "A tag with this name already exists")


async def _require_tag(tenant: Tenant, id_: str | None) -> Tag:
    tag = None if id_ is None else await tags.find_by_id(tenant, id_)
    if tag is None:
        raise NotFound("tag")
    return tag
