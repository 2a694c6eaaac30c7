"""The single events of contacts, for conditions that say which of the events of one name count."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, Select, Text, bindparam, literal_column, select

from diglot.conditions import text
from diglot.conditions.events.states import EventState
from diglot.conditions.histories.fields import Wanted
from diglot.conditions.histories.past_events import Histories, PastEvent, sort_events
from diglot.storage.schema import event_names, event_states, events
from diglot.storage.sql.backend import Backend, Expression
from diglot.storage.sql.databases import pin_to_index
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import BackendStatement
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import load_last_contact_key

# The keys of contacts whose events are read together.
_KEYS_PER_READ: Final = 500
# By the names of events.
EventStates = Mapping[str, EventState]
_NO_ROWS: Final[Sequence[Row]] = ()
_e, _n, _s = events.c, event_names.c, event_states.c
_EVENT: Final = (_e.event, _e.happened_at, _e.kind, _e.body)
# What the index has, in the same shape.
_WITHOUT_BODY: Final[Sequence[Expression]] = (
    *(literal_column("0"), _e.happened_at),
    *(literal_column("''"), literal_column("''")),
)
_SelectContacts = Callable[[Backend], Expression]


def _among_keys(backend: Backend) -> Expression:
    return backend.one_of(_e.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))


def _in_range(_backend: Backend) -> Expression:
    return _e.pk.between(bindparam("first"), bindparam("last"))


def _select_counted(contacts: _SelectContacts, event: Sequence[Expression] = _EVENT) -> BackendStatement:
    """Return the select of the events with some names that no machine caused."""

    def build(backend: Backend) -> Select[Any]:
        named = backend.one_of(_n.name, [], Text(), lambda _, kind: bindparam("names", type_=kind))
        same_name = (_n.workspace == bindparam("workspace")) & (_n.number == _e.stream)
        counted = pin_to_index(select(_e.pk, _n.name, *event), events, "events_of_stream")
        joined = counted.join(event_names, same_name)
        return joined.where(_e.workspace == bindparam("workspace"), contacts(backend), named)

    return BackendStatement(build)


def _select_of_machines(contacts: _SelectContacts) -> BackendStatement:
    """Return the select of all events that machines caused."""

    def build(backend: Backend) -> Select[Any]:
        of_machines = pin_to_index(select(_e.pk, _e.name, *_EVENT), events, "events_of_contact")
        return of_machines.where(
            _e.workspace == bindparam("workspace"), contacts(backend), _e.stream.is_(None)
        )

    return BackendStatement(build)


def _select_totals(backend: Backend) -> Select[Any]:
    named = backend.one_of(_n.name, [], Text(), lambda _, kind: bindparam("names", type_=kind))
    same_name = (_n.workspace == bindparam("workspace")) & (_n.number == _s.stream)
    states = select(_s.pk, _n.name, _s.revenue).join(event_names, same_name)
    in_range = _s.pk.between(bindparam("first"), bindparam("last"))
    return states.where(_s.workspace == bindparam("workspace"), in_range, named)


_TOTALS_IN_RANGE: Final = BackendStatement(_select_totals)
_COUNTED: Final = {True: _select_counted(_among_keys), False: _select_counted(_among_keys, _WITHOUT_BODY)}
_COUNTED_IN_RANGE: Final = {
    True: _select_counted(_in_range),
    False: _select_counted(_in_range, _WITHOUT_BODY),
}
_OF_MACHINES: Final = _select_of_machines(_among_keys)
_OF_MACHINES_IN_RANGE: Final = _select_of_machines(_in_range)


async def load_of_contacts(tenant: Tenant, pks: Sequence[int], wanted: Wanted) -> Mapping[int, Histories]:
    """Return what is wanted of the events of contacts, by key and name; without those that have none."""
    encode = tenant.backend.encode_list
    keys, names = encode(list(pks)), encode(list(wanted.names))
    counted = await tenant.fetch_all(_COUNTED[wanted.bodies], pks=keys, names=names)
    of_machines = await tenant.fetch_all(_OF_MACHINES, pks=keys) if wanted.of_machines else ()
    return _group_events(counted, of_machines, frozenset(wanted.names))


async def iterate_all(
    tenant: Tenant, wanted: Wanted, total_names: Sequence[str] = ()
) -> AsyncIterator[list[tuple[int, Histories, EventStates]]]:
    """Yield what is wanted of the events of all contacts that have some, in parts, with their keys.

    Of the states of the events with `total_names` only the revenue is read.
    """
    encode = tenant.backend.encode_list
    last, total_of = await load_last_contact_key(tenant), encode(list(total_names))
    names = encode(list(wanted.names))
    for first in range(1, last + 1, _KEYS_PER_READ):
        span = {"first": first, "last": first + _KEYS_PER_READ - 1}
        counted = of_machines = totals = _NO_ROWS
        if wanted.names:
            counted = await tenant.fetch_all(_COUNTED_IN_RANGE[wanted.bodies], **span, names=names)
        if wanted.of_machines:
            of_machines = await tenant.fetch_all(_OF_MACHINES_IN_RANGE, **span)
        if total_names:
            totals = await tenant.fetch_all(_TOTALS_IN_RANGE, **span, names=total_of)
        histories = _group_events(counted, of_machines, frozenset(wanted.names))
        states = _group_totals(totals)
        yield [(pk, histories.get(pk, {}), states.get(pk, {})) for pk in sorted({*histories, *states})]


def _group_totals(rows: Iterable[Row]) -> Mapping[int, EventStates]:
    found: dict[int, dict[str, EventState]] = {}
    for pk, name, revenue in rows:
        found.setdefault(pk, {})[name] = EventState(0, 0, 0, Decimal(revenue), ())
    return found


def _group_events(
    counted: Iterable[Row], of_machines: Iterable[Row], names: frozenset[str]
) -> Mapping[int, Histories]:
    found: dict[int, dict[str, list[PastEvent]]] = {}
    for pk, name, *event in counted:
        found.setdefault(pk, {}).setdefault(name, []).append(PastEvent(*event))
    for pk, sent_name, *event in of_machines:
        if (name := text.to_nfc(sent_name)) in names:
            past = PastEvent(*event)._replace(by_machine=True)
            found.setdefault(pk, {}).setdefault(name, []).append(past)
    return {
        pk: {name: sort_events(of_name) for name, of_name in by_name.items()} for pk, by_name in found.items()
    }
