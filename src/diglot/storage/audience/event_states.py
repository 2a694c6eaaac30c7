"""Rows of the states of contacts' events, and of the names that events have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Column, FromClause, Select, Text, bindparam, select
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions.addresses import list_stored_forms
from diglot.conditions.events.states import EventState, pack_instants, unpack_instants
from diglot.model.contacts import Contact
from diglot.storage import bulk
from diglot.storage.bulk import BulkRows, BulkSelect
from diglot.storage.contacts.rows import CONTACT_COLUMNS, contact_of
from diglot.storage.predicates.kept_events import KEPT_SINCE
from diglot.storage.schema import contacts, event_names, event_states
from diglot.storage.sql.backend import Backend, Expression
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

_c, _n, _s = contacts.c, event_names.c, event_states.c
_VALUES: Final = ("count", "first_at", "last_at", "revenue", "recent")
# The last one is no column of a state: it tells which of its instants count.
_STATE_COLUMNS: Final = (*(_s[name] for name in _VALUES), KEPT_SINCE.label("kept_since"))


# The most names whose states are read beside that of an event, because each is two more joins.
MOST_BESIDE: Final = 3


def _find_contacts_and_states(key: Column[Any]) -> Sequence[BulkSelect]:
    """Return the selects of contacts by a key with the numbers of 1, 2, 3 and 4 names, and their states.

    Each name is a join of its own, because SQLite would scan all names of the workspace for one of several.
    """
    names = [Column(f"name{place}", Text()) for place in range(MOST_BESIDE + 1)]
    return [
        BulkSelect([key, *names[: count + 1]], partial(_select_with_states, key, names[: count + 1]))
        for count in range(len(names))
    ]


def _select_with_states(key: Column[Any], names: Sequence[Column[Any]], source: BulkRows) -> Select[Any]:
    joined: FromClause = contacts
    columns: list[Expression] = [*CONTACT_COLUMNS, KEPT_SINCE.label("kept_since")]
    for name in names:
        n, s = event_names.alias(f"of_{name.name}"), event_states.alias(f"state_of_{name.name}")
        named = (n.c.workspace == bindparam("workspace")) & (n.c.name == source.values[name.name])
        of_both = (s.c.workspace == bindparam("workspace")) & (s.c.pk == _c.pk) & (s.c.stream == n.c.number)
        joined = joined.outerjoin(n, named).outerjoin(s, of_both)
        columns += [n.c.number, *(s.c[value] for value in _VALUES)]
    found = select(*columns).select_from(joined)
    return found.where(_c.workspace == bindparam("workspace"), key == source.values[key.name])


def _among_names(backend: Backend) -> Expression:
    return backend.one_of(_n.name, [], Text(), lambda _, kind: bindparam("names", type_=kind))


_BY_ID: Final = _find_contacts_and_states(_c.id)
_BY_EMAIL: Final = _find_contacts_and_states(_c.email)
_OF_CONTACT: Final = Statement(
    select(_n.name, *_STATE_COLUMNS)
    .join(event_names, (_n.workspace == bindparam("workspace")) & (_n.number == _s.stream))
    .where(_s.workspace == bindparam("workspace"), _s.pk == bindparam("pk"))
    .order_by(_s.stream)
)


def _select_names(backend: Backend) -> ClauseElement:
    return select(_n.name).where(_n.workspace == bindparam("workspace"), _among_names(backend))


_KNOWN_NAMES: Final = BackendStatement(_select_names)


def _select_of_contacts(backend: Backend) -> ClauseElement:
    of_contacts = backend.one_of(_s.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))
    joined = event_states.join(
        event_names, (_n.workspace == bindparam("workspace")) & (_n.number == _s.stream)
    )
    states = select(_s.pk, _n.name, *_STATE_COLUMNS).select_from(joined)
    return states.where(_s.workspace == bindparam("workspace"), of_contacts, _among_names(backend))


_OF_CONTACTS: Final = BackendStatement(_select_of_contacts)
_INSERT_NAME: Final = bulk.build_insert(event_names)
_STORE: Final = bulk.build_insert(event_states, replaced=_VALUES)


@dataclass(frozen=True, slots=True)
class ContactAndState:
    """A contact, and what its events of one name add up to.

    `stream` is the number of the name, None if no contact has had such an event; `state` is None if this one
    has had none. `beside` has the states of other names that were asked for.
    """

    contact: Contact
    stream: int | None
    state: EventState | None
    beside: Mapping[str, EventState | None] = field(default_factory=dict)


class ContactKey(NamedTuple):
    """The id or else the address of a contact, and the names of events whose states are asked for with it.

    The names are in normal form C, at most `MOST_BESIDE` after the first.
    """

    id: str | None
    email: str | None
    names: Sequence[str]

    def list_forms(self) -> Sequence[str]:
        """Return the id, or the forms in which the address may be stored, in the order of the search."""
        return list_stored_forms(self.email or "") if self.id is None else (self.id,)


async def find_each(tenant: Tenant, keys: Sequence[ContactKey]) -> Sequence[ContactAndState | None]:
    """Return the contact of each key, as `queries.find_contact_by_email` does, with its states, or None."""
    found: list[ContactAndState | None] = [None] * len(keys)
    waiting = [(place, key.list_forms()) for place, key in enumerate(keys)]
    while waiting:
        groups: dict[tuple[bool, int], list[tuple[int, str]]] = {}
        for place, forms in waiting:
            kind = keys[place].id is None, len(keys[place].names)
            groups.setdefault(kind, []).append((place, forms[0]))
        for (by_email, count), group in groups.items():
            statement = (_BY_EMAIL if by_email else _BY_ID)[count - 1]
            rows = await statement.fetch_each(tenant, [(form, *keys[place].names) for place, form in group])
            for (place, _), row in zip(group, rows, strict=True):
                found[place] = _read_found(row[0], keys[place].names) if row else None
        waiting = [(place, forms[1:]) for place, forms in waiting if found[place] is None and forms[1:]]
    return found


def _read_found(row: Row, names: Sequence[str]) -> ContactAndState:
    count, width = len(CONTACT_COLUMNS), len(_VALUES) + 1
    of_names = [row[first : first + width] for first in range(count + 1, len(row), width)]
    states = [_read(values, row[count]) for _, *values in of_names]
    others = dict(zip(names[1:], states[1:], strict=True))
    return ContactAndState(contact_of(row[:count]), of_names[0][0], states[0], others)


def _read(values: Row, kept_since: int) -> EventState | None:
    return None if values[0] is None else _state_of((*values, kept_since))


def _state_of(values: Sequence[Any]) -> EventState:
    count, first_at, last_at, revenue, packed, kept_since = values
    recent = unpack_instants(bytes(packed))
    if recent and recent[-1] < kept_since:
        recent = tuple(at for at in recent if at >= kept_since)
    return EventState(count, first_at, last_at, Decimal(revenue), recent)


async def load_of_contact(tenant: Tenant, pk: int) -> dict[str, EventState]:
    """Return the states of a contact by the names of events."""
    rows = await tenant.fetch_all(_OF_CONTACT, pk=pk)
    return {row[0]: _state_of(row[1:]) for row in rows}


async def find_names(tenant: Tenant, names: Sequence[str]) -> frozenset[str]:
    """Return those of some names of which contacts have or had events."""
    rows = await tenant.fetch_all(_KNOWN_NAMES, names=tenant.backend.encode_list(list(names)))
    return frozenset(row[0] for row in rows)


async def load_of_contacts(
    tenant: Tenant, pks: Sequence[int], names: Sequence[str]
) -> dict[int, dict[str, EventState]]:
    """Return the states of contacts by key, for some names of events, without those of no events."""
    encode = tenant.backend.encode_list
    rows = await tenant.fetch_all(_OF_CONTACTS, pks=encode(list(pks)), names=encode(list(names)))
    states: dict[int, dict[str, EventState]] = {}
    for pk, name, *values in rows:
        states.setdefault(pk, {})[name] = _state_of(values)
    return states


async def store_each(unit: WriteUnit, stored: Sequence[tuple[ContactAndState, str, EventState]]) -> list[int]:
    """Store states of contacts' events in place of those before; return the numbers of their names.

    Each is given with what was found of the contact, and with the name; no two are of one contact.
    """
    new: dict[str, int] = {}
    for found, name, _ in stored:
        if found.stream is None and name not in new:
            new[name] = unit.take_keys("event_name")
    await _INSERT_NAME.execute(unit, [{"number": number, "name": name} for name, number in new.items()])
    streams = [new[name] if found.stream is None else found.stream for found, name, _ in stored]
    rows = [
        {
            "pk": found.contact.pk,
            "stream": stream,
            "count": state.count,
            "first_at": state.first_at,
            "last_at": state.last_at,
            "revenue": str(state.revenue),
            "recent": pack_instants(state.recent),
        }
        for (found, _, state), stream in zip(stored, streams, strict=True)
    ]
    await _STORE.execute(unit, rows)
    return streams
