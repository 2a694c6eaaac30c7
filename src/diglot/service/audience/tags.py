"""Tags: create, read, rename, delete, and the contacts that bear them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from msgspec import UNSET, UnsetType

from diglot.clock import Clock, system_clock
from diglot.conditions import tree
from diglot.errors import Conflict, InvalidInput, NotFound
from diglot.membership import read
from diglot.membership.read import MembershipQuery
from diglot.model.contacts import Contact, ContactChange
from diglot.model.ids import new_id
from diglot.model.pages import Page, Window
from diglot.model.tags import DEFAULT_COLOR, Tag
from diglot.model.workspaces import Caller
from diglot.service.contacts import contact_writes
from diglot.service.contacts.contact_changes import changed_contact
from diglot.service.contacts.contact_input import MAX_TAGS
from diglot.service.contacts.contact_writes import ContactUpdate
from diglot.service.contacts.contacts_by_id import require_contacts
from diglot.service.contacts.tag_counts import decode_tags
from diglot.service.unit_of_work import WriteUnit
from diglot.storage import workspaces
from diglot.storage.audience import tags
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction

# A rename writes its contacts in slices, so that it holds no more of them in memory.
_BATCH_SIZE: Final = 1_000


@dataclass(frozen=True, slots=True)
class TagPatch:
    """The parts of a tag to change, or of a new one."""

    name: str | UnsetType = UNSET
    color: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


@dataclass(frozen=True, slots=True)
class Tags:
    """The use cases of tags; every call is one transaction within the caller's workspace."""

    engine: Engine
    clock: Clock = system_clock

    async def list_page(self, caller: Caller, window: Window, search: str | None = None) -> Page[Tag]:
        """Return a window of the tags, newest first."""
        return await self.engine.read(lambda tx: tags.load_page(tx, caller.workspace, window, search))

    async def get(self, caller: Caller, id_: str | None) -> Tag:
        """Return a tag; raise `NotFound`."""
        return await self.engine.point_read(lambda tx: _require_tag(tx, caller, id_))

    async def list_contacts(self, caller: Caller, id_: str | None, window: Window) -> Page[Contact]:
        """Return a window of the contacts that bear a tag, newest first; raise `NotFound`."""

        async def work(transaction: Transaction) -> Page[Contact]:
            tag = await _require_tag(transaction, caller, id_)
            state = await workspaces.load_state(transaction, caller.workspace)
            relation = MembershipQuery(caller.workspace, _tag_condition(tag), self.clock(), state.zone)
            return Page(await read.load_page(transaction, relation, window), tag.contact_count)

        return await self.engine.read(work)

    async def create(self, caller: Caller, new: TagPatch) -> Tag:
        """Make a tag; raise `Conflict` for a name that exists, on contacts or without any."""

        async def work(transaction: Transaction) -> Tag:
            locked = await workspaces.lock(transaction, caller.workspace, tags=1, moves_members=False)
            now = self.clock()
            made = _apply_patch(Tag(locked.first_tag, new_id(), "", DEFAULT_COLOR, None, 0, now, now), new)
            await _require_unused_name(transaction, caller, made)
            await tags.insert_all(transaction, caller.workspace, [made])
            return made

        return await self.engine.write(work)

    async def update(self, caller: Caller, id_: str | None, change: TagPatch) -> Tag:
        """Change a tag, and its name on its contacts; raise `NotFound`, or `Conflict` for another's name."""

        async def work(transaction: Transaction) -> Tag:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            writing = WriteUnit(transaction, caller.workspace, locked, now)
            stored = await _require_tag(transaction, caller, id_)
            changed = _apply_patch(stored, change)
            if changed == stored:
                return stored
            if changed.exact_name != stored.exact_name:
                await _require_unused_name(transaction, caller, changed)
                # The row takes its new name with nobody on it, and counts those who get it.
                changed = replace(changed, contact_count=0)
            changed = replace(changed, updated_at=writing.now)
            await tags.update_tag(transaction, caller.workspace, changed)
            if changed.name != stored.name:
                await _rewrite_contacts(writing, stored, changed.name)
            return await _require_tag(transaction, caller, id_)

        return await self.engine.write(work)

    async def delete(self, caller: Caller, id_: str | None) -> None:
        """Delete a tag and take it off its contacts; raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            tag = await _require_tag(transaction, caller, id_)
            await _rewrite_contacts(WriteUnit(transaction, caller.workspace, locked, now), tag, None)
            await tags.delete_tag(transaction, caller.workspace, tag.number)

        await self.engine.write(work)

    async def add_to_contacts(
        self, caller: Caller, id_: str | None, ids: Sequence[str | None]
    ) -> tuple[int, int]:
        """Put a tag on contacts; return how many got it and how many bear it now.

        Raise `NotFound` when there is no such tag, or when one of the contacts does not exist, `InvalidInput`
        when one has as many tags as it can: then none gets it.
        """

        async def work(transaction: Transaction) -> tuple[int, int]:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            tag = await _require_tag(transaction, caller, id_)
            named = await require_contacts(transaction, caller.workspace, ids)
            changed = [
                (contact, _with_tags(contact, [*borne.values(), tag.name], now))
                for contact in named
                if tag.exact_name not in (borne := decode_tags(contact.tags))
            ]
            if any(len(decode_tags(contact.tags)) == MAX_TAGS for contact, _ in changed):
                raise InvalidInput.at((), f"A contact bears at most {MAX_TAGS} tags")
            if changed:
                await contact_writes.update_contacts(transaction, caller.workspace, locked, changed)
            return len(changed), tag.contact_count + len(changed)

        return await self.engine.write(work)

    async def remove_from_contact(self, caller: Caller, id_: str | None, contact_id: str | None) -> None:
        """Take a tag off a contact; raise `NotFound` when it does not bear it."""

        async def work(transaction: Transaction) -> None:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, now=now)
            tag = await _require_tag(transaction, caller, id_)
            stored = (
                None
                if contact_id is None
                else await queries.find_contact_by_id(transaction, caller.workspace, contact_id)
            )
            borne = {} if stored is None else decode_tags(stored.tags)
            if stored is None or borne.pop(tag.exact_name, None) is None:
                raise NotFound("contact")
            changed = _with_tags(stored, list(borne.values()), now)
            await contact_writes.update_contacts(transaction, caller.workspace, locked, [(stored, changed)])

        await self.engine.write(work)


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


async def _rewrite_contacts(writing: WriteUnit, tag: Tag, name: str | None) -> None:
    """Put another name in a tag's place on every contact that bears it, or nothing."""
    relation = MembershipQuery(writing.workspace, _tag_condition(tag), writing.now, writing.locked.zone)
    pk = 0
    while found := await read.load_after(writing.transaction, relation, pk, _BATCH_SIZE):
        renamed = [(contact, _replace_tag(contact, tag.exact_name, name, writing.now)) for contact in found]
        changed: list[ContactUpdate] = [pair for pair in renamed if pair[0] is not pair[1]]
        await contact_writes.update_contacts(writing.transaction, writing.workspace, writing.locked, changed)
        pk = found[-1].pk


def _replace_tag(contact: Contact, exact: str, name: str | None, now: int) -> Contact:
    borne = decode_tags(contact.tags)
    kept = [name if one == exact else spelled for one, spelled in borne.items()]
    return _with_tags(contact, [one for one in kept if one is not None], now)


async def _require_unused_name(transaction: Transaction, caller: Caller, wanted: Tag) -> None:
    if await tags.find_by_name(transaction, caller.workspace, wanted.exact_name) is not None:
        raise Conflict("tag", "A tag with this name already exists")


async def _require_tag(transaction: Transaction, caller: Caller, id_: str | None) -> Tag:
    found = None if id_ is None else await tags.find_by_id(transaction, caller.workspace, id_)
    if found is None:
        raise NotFound("tag")
    return found
