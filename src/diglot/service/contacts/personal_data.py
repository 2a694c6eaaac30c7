"""Requests of a person to the operator: everything that is stored about an address, and its erasure."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from diglot.clock import MAX_CLOCK_AHEAD, Clock, system_clock
from diglot.conditions import dates
from diglot.conditions.addresses import list_stored_forms, normalize_address
from diglot.conditions.events.states import EventState
from diglot.conditions.fields import STORED_FIELDS, FieldKind
from diglot.errors import NotFound
from diglot.membership import read
from diglot.membership.read import MembershipQuery
from diglot.model.contacts import Contact
from diglot.model.pages import Window
from diglot.service.contacts import contact_writes
from diglot.storage import workspaces
from diglot.storage.audience import event_states, lists, segments
from diglot.storage.contacts import mentions, queries
from diglot.storage.contacts.mentions import Person, Traces
from diglot.storage.imports import rejects
from diglot.storage.membership import log
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import MOVES_MEMBERS, WriteUnit, lock_workspace

_ALL: Final = Window(limit=1_000_000, offset=0)
_INSTANTS: Final = frozenset(field.name for field in STORED_FIELDS if field.kind is FieldKind.INSTANT) | {
    *("happened_at", "created_at", "updated_at", "stored_at", "due_at", "delivered_at"),
    *("first_at", "last_at"),
}
NO_TRACES: Final = Traces()
_decode = msgspec.json.Decoder().decode
_JSON: Final = frozenset({"tags", "attributes", "body", "payload"})
# Numbers that mean nothing outside of the database.
_INTERNAL: Final = frozenset(
    {"workspace", "pk", "number", "delivery", "webhook", "fingerprint", "key", "stream"}
)


class Erasure(msgspec.Struct, frozen=True):
    """What was erased: the numbers of contacts with the address, of deliveries and of kept responses."""

    contacts: int
    deliveries: int
    responses: int


@dataclass(frozen=True, slots=True)
class PersonalData:
    """The operator's calls on all that is stored about one address in a workspace."""

    engine: Engine
    clock: Clock = system_clock

    async def export(self, workspace: str, email: str) -> dict[str, Any]:
        """Return all that is stored about an address, and nothing about others; raise `NotFound`.

        Of kept responses to requests about several contacts, only the parts about this one are returned.
        """
        number = await self.engine.read(partial(_find_workspace, name=workspace))
        work = partial(export_person, email=normalize_address(email), now=self.clock())
        return {"workspace": workspace} | await self.engine.read(bind_workspace(number, work))

    async def erase(self, workspace: str, email: str) -> Erasure:
        """Delete a contact and what deliveries, kept responses and imports hold of it; raise `NotFound`.

        Two contacts that have the address in its two forms are both deleted. It works for a contact that was
        deleted before. The history keeps its id until it expires, so that a mirror learns that the member
        left.
        """
        number = await self.engine.read(partial(_find_workspace, name=workspace))
        email = normalize_address(email)
        find = partial(find_traces, email=email, now=self.clock())
        traces = await self.engine.read(bind_workspace(number, find))
        work = partial(erase_person, email=email, traces=traces)
        return await self.engine.write(lock_workspace(number, self.clock, work, MOVES_MEMBERS))


async def _find_workspace(transaction: Transaction, name: str) -> int:
    workspace = await workspaces.find_by_name(transaction, name)
    if workspace is None:
        raise NotFound(f"workspace {name}")
    return workspace.number


async def _find_person(tenant: Tenant, email: str, known: Traces = NO_TRACES) -> tuple[Person, list[Contact]]:
    """Return a person and the contacts that have the address: two if an earlier version made both."""
    forms = list_stored_forms(email)
    found = await queries.find_contacts_by_stored_email(tenant, forms)
    contacts = [found[form] for form in forms if form in found]
    ids = await mentions.find_ids(tenant, email, known.horizon) | {contact.id for contact in contacts}
    ids |= known.ids
    return Person(email, ids, frozenset(contact.shown_email for contact in contacts)), contacts


async def find_traces(tenant: Tenant, email: str, now: int) -> Traces:
    """Return what is stored of a person besides contacts, given the compared form of the address.

    It reads all deliveries and kept responses, so it is done before the lock is taken.
    """
    person, _ = await _find_person(tenant, email)
    # A response is stored with the instant at which its transaction began, by the clock of another process.
    return await mentions.find_traces(tenant, person, NO_TRACES, now - MAX_CLOCK_AHEAD)


async def erase_person(unit: WriteUnit, email: str, traces: Traces) -> Erasure:
    """Erase a person, given the traces that were found before; only newer rows are searched again."""
    person, contacts = await _find_person(unit, email, traces)
    if contacts:
        await contact_writes.delete_contacts(unit, contacts)
        # The deletion itself tells webhooks.
        await unit.flush()
    await rejects.delete_of_person(unit, email)
    traces = await mentions.find_traces(unit, person, traces, unit.now)
    return Erasure(len(contacts), *await mentions.delete_traces(unit, traces))


async def export_person(tenant: Tenant, email: str, now: int) -> dict[str, Any]:
    """Return what is stored of a person, given the compared form of the address."""
    person, contacts = await _find_person(tenant, email)
    state = await workspaces.load_state(tenant)
    keys = {*await mentions.find_deleted_keys(tenant, person.ids), *(contact.pk for contact in contacts)}
    described = [await _describe(tenant, contact, now, state) for contact in contacts]
    exported: dict[str, Any] = {"email": email, "contact": None, "lists": [], "segments": [], "events": []}
    exported["event_totals"] = []
    exported |= described[0] if described else {}
    exported["other_contacts"] = described[1:]
    mentioned = person.mention()
    return exported | {
        "membership_changes": await _list_changes(tenant, keys, state),
        "deliveries": [_shown(row) async for row in mentions.iterate_deliveries(tenant, person)],
        "rejected_rows": [
            {"import": job, "row": row.row, "reason": row.reason, "cells": row.cells}
            for job, row in await rejects.load_of_person(tenant, email)
        ],
        "kept_responses": [
            _only_of(_shown(row), mentioned) async for row in mentions.iterate_responses(tenant, person)
        ],
    }


async def _describe(tenant: Tenant, contact: Contact, now: int, state: WorkspaceState) -> dict[str, Any]:
    return {
        "contact": _shown(msgspec.structs.asdict(contact) | {"email": contact.shown_email}),
        "lists": await _list_lists(tenant, contact, now, state),
        "segments": await _list_segments(tenant, contact, now, state),
        "events": [_shown(row) for row in await mentions.load_events(tenant, contact.pk)],
        "event_totals": [
            _shown({"name": name, **_total_of(state)})
            for name, state in (await event_states.load_of_contact(tenant, contact.pk)).items()
        ],
    }


def _total_of(state: EventState) -> dict[str, Any]:
    return {
        "count": state.count,
        "first_at": state.first_at,
        "last_at": state.last_at,
        "revenue": str(state.revenue),
    }


async def _list_lists(
    tenant: Tenant, contact: Contact, now: int, state: WorkspaceState
) -> list[dict[str, str]]:
    on = [{"id": name.id, "name": name.name} for name in await queries.load_lists_of(tenant, contact.pk)]
    for list_, _ in (await lists.load_page(tenant, _ALL, None, None)).items:
        if list_.segment is not None:
            query = MembershipQuery.for_segment(list_.segment, now, state)
            if await read.has_member(tenant, query, contact.pk):
                on.append({"id": list_.id, "name": list_.name})
    return on


async def _list_segments(
    tenant: Tenant, contact: Contact, now: int, state: WorkspaceState
) -> list[dict[str, str]]:
    return [
        {"id": segment.id, "name": segment.name}
        for segment in (await segments.load_page(tenant, _ALL)).items
        if await read.has_member(tenant, MembershipQuery.for_segment(segment, now, state), contact.pk)
    ]


async def _list_changes(tenant: Tenant, keys: Iterable[int], state: WorkspaceState) -> list[dict[str, Any]]:
    moves: list[tuple[str, str, int, bool]] = []
    wanted = frozenset(keys)
    async for row in log.iterate_forwards(tenant, state.history_entry, state.last_entry):
        at = dates.format_instant(row.origin.at)
        for _, change in row.changes_between(state.history_entry, state.last_entry):
            for pks, entered in ((change.left, False), (change.entered, True)):
                moves += [(at, row.origin.cause.value, change.segment, entered) for pk in wanted if pk in pks]
    ids = await segments.load_ids(tenant, {move[2] for move in moves}) if moves else {}
    return [
        {"at": at, "cause": cause, "segment_id": ids.get(segment), "entered": entered}
        for at, cause, segment, entered in moves
    ]


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for people: times as text, stored JSON as JSON, no internal numbers."""
    return {name: _show_value(name, value) for name, value in row.items() if name not in _INTERNAL}


def _show_value(name: str, value: Any) -> Any:
    if value is not None and name in _INSTANTS:
        return dates.format_instant(value)
    if name in _JSON and value:
        try:
            return _decode(value)
        except msgspec.DecodeError:
            return value
    return value


def _only_of(value: Any, mentioned: Any) -> Any:
    """Return a value without the objects and lists in it that do not mention the person."""
    if isinstance(value, list):
        return [_only_of(item, mentioned) for item in value if _mentions(item, mentioned)]
    if isinstance(value, dict):
        return {
            name: _only_of(item, mentioned)
            for name, item in value.items()
            if not isinstance(item, list | dict) or _mentions(item, mentioned)
        }
    return value


def _mentions(value: Any, mentioned: Any) -> bool:
    return bool(mentioned(msgspec.json.encode(value).decode()))
