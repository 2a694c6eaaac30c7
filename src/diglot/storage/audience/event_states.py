"""Rows of the states of contacts' events, and of the names that events have."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import bindparam, select

from diglot.conditions import text
from diglot.conditions.addresses import list_stored_forms
from diglot.conditions.events.states import (
    CountedEvent,
    EventState,
    add_event,
    pack_instants,
    unpack_instants,
)
from diglot.model.contacts import Contact
from diglot.storage import bulk
from diglot.storage.contacts.rows import CONTACT_COLUMNS, contact_of
from diglot.storage.schema import contacts, event_names, event_states
from diglot.storage.sql.backend import Expression
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

_c, _n, _s = contacts.c, event_names.c, event_states.c
_VALUES: Final = ("count", "first_at", "last_at", "revenue", "recent")
_STATE_COLUMNS: Final = tuple(_s[name] for name in _VALUES)


def _find_contact_and_state(condition: Expression) -> Statement:
    """Return the select of a contact with the number of a name, and with its state of that name."""
    named = (_n.workspace == bindparam("workspace")) & (_n.name == bindparam("name"))
    of_both = (_s.workspace == bindparam("workspace")) & (_s.pk == _c.pk) & (_s.stream == _n.number)
    joined = contacts.outerjoin(event_names, named).outerjoin(event_states, of_both)
    found = select(*CONTACT_COLUMNS, _n.number, *_STATE_COLUMNS).select_from(joined)
    return Statement(found.where(_c.workspace == bindparam("workspace"), condition))


_BY_ID: Final = _find_contact_and_state(_c.id == bindparam("id"))
_BY_EMAIL: Final = _find_contact_and_state(_c.email == bindparam("email"))
_OF_CONTACT: Final = Statement(
    select(_n.name, *_STATE_COLUMNS)
    .join(event_names, (_n.workspace == bindparam("workspace")) & (_n.number == _s.stream))
    .where(_s.workspace == bindparam("workspace"), _s.pk == bindparam("pk"))
    .order_by(_s.stream)
)
_INSERT_NAME: Final = bulk.build_insert(event_names)
_STORE: Final = bulk.build_insert(event_states, replaced=_VALUES)


@dataclass(frozen=True, slots=True)
class ContactAndState:
    """A contact, and what its events of one name add up to.

    `stream` is the number of the name, None if no contact has had such an event; `state` is None if this one
    has had none.
    """

    contact: Contact
    stream: int | None
    state: EventState | None


async def find_by_id(tenant: Tenant, name: str, id_: str) -> ContactAndState | None:
    """Return a contact by its UUID, with its state of a name, or None."""
    row = await tenant.fetch_one(_BY_ID, name=text.to_nfc(name), id=id_)
    return None if row is None else _read(row)


async def find_by_email(tenant: Tenant, name: str, email: str) -> ContactAndState | None:
    """Return a contact by its address, as `queries.find_contact_by_email` does, with its state of a name."""
    for form in list_stored_forms(email):
        row = await tenant.fetch_one(_BY_EMAIL, name=text.to_nfc(name), email=form)
        if row is not None:
            return _read(row)
    return None


def _read(row: Row) -> ContactAndState:
    count = len(CONTACT_COLUMNS)
    stream, *state = row[count:]
    return ContactAndState(contact_of(row[:count]), stream, None if state[0] is None else _state_of(state))


def _state_of(values: Sequence[Any]) -> EventState:
    count, first_at, last_at, revenue, recent = values
    return EventState(count, first_at, last_at, Decimal(revenue), unpack_instants(bytes(recent)))


async def load_of_contact(tenant: Tenant, pk: int) -> dict[str, EventState]:
    """Return the states of a contact by the names of events."""
    rows = await tenant.fetch_all(_OF_CONTACT, pk=pk)
    return {row[0]: _state_of(row[1:]) for row in rows}


async def count(unit: WriteUnit, found: ContactAndState, name: str, event: CountedEvent) -> int:
    """Add an event of a name to the state of a contact; return the number of the name."""
    stream = found.stream
    if stream is None:
        stream = unit.take_keys("event_name")
        await _INSERT_NAME.execute(unit, [{"number": stream, "name": text.to_nfc(name)}])
    await store(unit, found.contact.pk, stream, add_event(found.state, event))
    return stream


async def store(tenant: Tenant, pk: int, stream: int, state: EventState) -> None:
    """Store the state of a contact's events of one name in place of the one before."""
    row = {
        "pk": pk,
        "stream": stream,
        "count": state.count,
        "first_at": state.first_at,
        "last_at": state.last_at,
        "revenue": str(state.revenue),
        "recent": pack_instants(state.recent),
    }
    await _STORE.execute(tenant, [row])
