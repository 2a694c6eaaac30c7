"""The single events of contacts, for conditions that say which of the events of one name count."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from sqlalchemy import BigInteger, Select, Text, bindparam, literal_column, select

from diglot.conditions import text
from diglot.conditions.events.states import EventState
from diglot.conditions.histories.fields import Wanted
from diglot.conditions.histories.past_events import Histories, History, PastEvent, sort_events
from diglot.storage.bulk import BulkRows, BulkSelect
from diglot.storage.predicates.events import number_of_name
from diglot.storage.predicates.kept_events import IS_KEPT
from diglot.storage.schema import event_names, event_states, events
from diglot.storage.sql.backend import Backend, Expression
from diglot.storage.sql.databases import can_pin, pin_to_index
from diglot.storage.sql.engine import Row
from diglot.storage.sql.statement import BackendStatement, Statement
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import load_last_contact_key

# The keys of contacts whose events are read together.
KEYS_PER_READ: Final = 500
# By the names of events.
EventStates = Mapping[str, EventState]
_e, _n, _s = events.c, event_names.c, event_states.c
_COLUMNS: Final = ("event", "happened_at", "kind", "body")
_EVENT: Final = tuple(_e[name] for name in _COLUMNS)
# What the index has, in the same shape.
_WITHOUT_BODY: Final[Sequence[Expression]] = (
    *(literal_column("0"), _e.happened_at),
    *(literal_column("''"), literal_column("''")),
)
# The offset of a select that is evaluated apart. Without statistics PostgreSQL would otherwise look up the
# numbers of events anew for each event of the workspace, and SQLite would begin with all from a number on.
_FENCE: Final = literal_column("0", BigInteger())
_SelectContacts = Callable[[Backend], Expression]


def _among_keys(backend: Backend) -> Expression:
    return backend.one_of(_e.pk, [], BigInteger(), lambda _, kind: bindparam("pks", type_=kind))


def _in_range(_backend: Backend) -> Expression:
    return _e.pk.between(bindparam("first"), bindparam("last"))


def _select_counted(contacts: _SelectContacts, event: Sequence[Expression] = _EVENT) -> BackendStatement:
    """Return the select of the kept events with a name that no machine caused.

    One name has one range of the index, which SQLite would not find for several.
    """

    def build(backend: Backend) -> Select[Any]:
        named = _n.name == bindparam("name", type_=_n.name.type)
        number = select(_n.number).where(_n.workspace == bindparam("workspace"), named).scalar_subquery()
        counted = pin_to_index(select(_e.pk, *event), events, "events_of_stream")
        return counted.where(
            _e.workspace == bindparam("workspace"), _e.stream == number, contacts(backend), IS_KEPT
        )

    return BackendStatement(build)


def _select_of_machines(contacts: _SelectContacts) -> BackendStatement:
    """Return the select of all kept events that machines caused."""

    def build(backend: Backend) -> Select[Any]:
        of_machines = pin_to_index(select(_e.pk, _e.name, *_EVENT), events, "events_of_contact")
        return of_machines.where(
            _e.workspace == bindparam("workspace"), contacts(backend), _e.stream.is_(None), IS_KEPT
        )

    return BackendStatement(build)


def _select_counted_after(source: BulkRows) -> Select[Any]:
    """Return the select of the kept events of a contact with a name, from a number on."""
    numbers = _select_numbers(source, "events_of_stream", _e.stream == source.values["stream"])
    # SQLite begins with this index anyway, and takes four times as long for a subquery of its own.
    asked = numbers if can_pin(source.backend) else numbers.offset(_FENCE)
    return _look_up(asked, _EVENT)


def _select_of_machines_after(source: BulkRows) -> Select[Any]:
    """Return the select of the kept events of a contact that machines caused, from a number on."""
    numbers = _select_numbers(source, "events_of_contact", _e.stream.is_(None))
    return _look_up(numbers.offset(_FENCE), (_e.name, *_EVENT))


def _select_numbers(source: BulkRows, index: str, condition: Expression) -> Select[Any]:
    """Return the select of the numbers of kept events of a contact from a number on, found by an index."""
    numbers = pin_to_index(select(_e.event), events, index).where(
        _e.workspace == bindparam("workspace"),
        _e.pk == source.values["pk"],
        _e.event >= source.values["event"],
        _e.happened_at >= source.values["happened_at"],
        condition,
    )
    return numbers if source.table is None else numbers.correlate(source.table)


def _look_up(numbers: Select[Any], columns: Sequence[Expression]) -> Select[Any]:
    """Return the select of the events with some numbers."""
    asked, found = numbers.subquery("numbers"), events.alias("found")
    return (
        select(*(found.c[column.name] for column in columns))
        .select_from(asked.join(found, found.c.event == asked.c.event))
        .where(found.c.workspace == bindparam("workspace"))
    )


def _select_totals(backend: Backend) -> Select[Any]:
    named = backend.one_of(_n.name, [], Text(), lambda _, kind: bindparam("names", type_=kind))
    same_name = (_n.workspace == bindparam("workspace")) & (_n.number == _s.stream)
    states = select(_s.pk, _n.name, _s.revenue).join(event_names, same_name)
    in_range = _s.pk.between(bindparam("first"), bindparam("last"))
    return states.where(_s.workspace == bindparam("workspace"), in_range, named)


# The contact, the number from which on, and the instant since which events are kept.
_AFTER: Final = (_e.pk, _e.event, _e.happened_at)
_AT_OFFSET: Final = Statement(
    pin_to_index(select(_e.pk), events, "events_of_stream")
    .where(
        _e.workspace == bindparam("workspace"),
        _e.stream == number_of_name(bindparam("name", type_=_n.name.type)),
        _e.pk >= bindparam("first"),
    )
    .order_by(_e.pk, _e.happened_at)
    .limit(1)
    .offset(bindparam("offset"))
)
_TOTALS_IN_RANGE: Final = BackendStatement(_select_totals)
_COUNTED: Final = {True: _select_counted(_among_keys), False: _select_counted(_among_keys, _WITHOUT_BODY)}
_COUNTED_AFTER: Final = BulkSelect([*_AFTER, _e.stream], _select_counted_after)
_COUNTED_IN_RANGE: Final = {
    True: _select_counted(_in_range),
    False: _select_counted(_in_range, _WITHOUT_BODY),
}
_OF_MACHINES: Final = _select_of_machines(_among_keys)
_OF_MACHINES_IN_RANGE: Final = _select_of_machines(_in_range)
_OF_MACHINES_AFTER: Final = BulkSelect(_AFTER, _select_of_machines_after)


async def load_of_contacts(tenant: Tenant, pks: Sequence[int], wanted: Wanted) -> Mapping[int, Histories]:
    """Return what is wanted of the events of contacts, by key and name; without those that have none."""
    keys, found = tenant.backend.encode_list(list(pks)), _Found()
    for name in wanted.names:
        found.add_counted(name, await tenant.fetch_all(_COUNTED[wanted.bodies], pks=keys, name=name))
    if wanted.of_machines:
        found.add_of_machines(wanted.names, await tenant.fetch_all(_OF_MACHINES, pks=keys))
    return found.sort()


class AfterNumber(NamedTuple):
    """The events of a contact with a name from a number on, perhaps also those that machines caused.

    `stream` is the number of the name, None if the contact has had none that no machine caused.
    """

    pk: int
    number: int
    name: str
    stream: int | None
    of_machines: bool


async def load_each_after(tenant: Tenant, asked: Sequence[AfterNumber], kept_since: int) -> Sequence[History]:
    """Return each history that is asked for; events are kept since an instant."""
    keys = [(one.pk, one.number, kept_since, one.stream) for one in asked if one.stream is not None]
    counted = iter(await _COUNTED_AFTER.fetch_each(tenant, keys))
    found = [[] if one.stream is None else [PastEvent(*row) for row in next(counted)] for one in asked]
    if places := [place for place, one in enumerate(asked) if one.of_machines]:
        keys_of_machines = [(asked[place].pk, asked[place].number, kept_since) for place in places]
        by_machines = await _OF_MACHINES_AFTER.fetch_each(tenant, keys_of_machines)
        for place, rows in zip(places, by_machines, strict=True):
            found[place] += _list_of_machines(asked[place].name, rows)
    return [sort_events(events) if len(events) > 1 else events for events in found]


def _list_of_machines(name: str, rows: Iterable[Row]) -> Iterable[PastEvent]:
    """Return those with a name among events that machines caused, which have the name as it was sent."""
    past = (PastEvent(*event) for sent, *event in rows if text.to_nfc(sent) == name)
    return (one._replace(by_machine=True) for one in past)


async def iterate_all(
    tenant: Tenant, wanted: Wanted, total_names: Sequence[str] = ()
) -> AsyncIterator[list[tuple[int, Histories, EventStates]]]:
    """Yield what is wanted of the events of all contacts that have some, in parts, with their keys.

    Of the states of the events with `total_names` only the revenue is read.
    """
    last, total_of = await load_last_contact_key(tenant), tenant.backend.encode_list(list(total_names))
    for first in range(1, last + 1, KEYS_PER_READ):
        until = first + KEYS_PER_READ - 1
        histories = await load_span(tenant, wanted, first, until)
        states: Mapping[int, EventStates] = {}
        if total_names:
            totals = await tenant.fetch_all(_TOTALS_IN_RANGE, first=first, last=until, names=total_of)
            states = _group_totals(totals)
        yield [(pk, histories.get(pk, {}), states.get(pk, {})) for pk in sorted({*histories, *states})]


async def load_span(tenant: Tenant, wanted: Wanted, first: int, last: int) -> Mapping[int, Histories]:
    """Return what is wanted of the events of the contacts from one key to another, as `load_of_contacts`."""
    span, found = {"first": first, "last": last}, _Found()
    for name in wanted.names:
        rows = await tenant.fetch_all(_COUNTED_IN_RANGE[wanted.bodies], **span, name=name)
        found.add_counted(name, rows)
    if wanted.of_machines:
        found.add_of_machines(wanted.names, await tenant.fetch_all(_OF_MACHINES_IN_RANGE, **span))
    return found.sort()


async def find_end(tenant: Tenant, name: str, first: int, count: int) -> int | None:
    """Return the contact that has the event which is so many events of a name after those of a contact."""
    row = await tenant.fetch_one(_AT_OFFSET, name=name, first=first, offset=count)
    return None if row is None else int(row[0])


def _group_totals(rows: Iterable[Row]) -> Mapping[int, EventStates]:
    found: dict[int, dict[str, EventState]] = {}
    for pk, name, revenue in rows:
        found.setdefault(pk, {})[name] = EventState(0, 0, 0, Decimal(revenue), ())
    return found


class _Found:
    """Events as they are found, by the key of the contact and the name."""

    def __init__(self) -> None:
        self._by_contact: defaultdict[int, dict[str, list[PastEvent]]] = defaultdict(dict)

    def add_counted(self, name: str, rows: Iterable[Row]) -> None:
        """Add events of a name that no machine caused."""
        for pk, *event in rows:
            self._by_contact[pk].setdefault(name, []).append(PastEvent(*event))

    def add_of_machines(self, names: Iterable[str], rows: Iterable[Row]) -> None:
        """Add those of some names among events that machines caused, which have the name as it was sent."""
        for pk, sent_name, *event in rows:
            if (name := text.to_nfc(sent_name)) in names:
                past = PastEvent(*event)._replace(by_machine=True)
                self._by_contact[pk].setdefault(name, []).append(past)

    def sort(self) -> Mapping[int, Histories]:
        """Return the events of each contact and name, newest first."""
        return {
            pk: {name: sort_events(of_name) for name, of_name in by_name.items()}
            for pk, by_name in self._by_contact.items()
        }
