"""Finds the contacts that match predicates on their single events.

SQL adds up the events of all contacts, and the application looks only at the contacts that have an event
which SQL cannot judge (see `predicates/event_matches`). Predicates that SQL cannot read at all, and those of
a workspace with few events, are evaluated by the application alone.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from pyroaring import BitMap
from sqlalchemy import Select, bindparam, func, literal_column, select

from diglot.conditions import tree
from diglot.conditions.contact_view import ContactFields, ContactView
from diglot.conditions.events.field_values import EventFields
from diglot.conditions.events.fields import EventValue, parse_event_field
from diglot.conditions.histories.fields import HistoryFields
from diglot.conditions.histories.past_events import Histories
from diglot.conditions.python_compiler import compile_to_python
from diglot.storage.contacts import event_histories, scans
from diglot.storage.contacts.event_histories import EventStates
from diglot.storage.predicates.binder import Binder
from diglot.storage.predicates.event_matches import can_select, select_matching
from diglot.storage.predicates.events import number_of_name
from diglot.storage.schema import events
from diglot.storage.slices import compute_in_slices, compute_off_loop
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.databases import can_pin, pin_to_index
from diglot.storage.sql.statement import ShapedStatement, Statement
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import load_last_contact_key

_SLICE_LENGTH: Final = 1_000
# Of fewer events, reading all of them takes less time than to compile the statement.
MIN_EVENTS: Final = 2_000
# To look up the row of an event by an index takes as long as to read so many in the order of arrival; more,
# if the rows are not in memory.
_LOOK_UP_COST: Final = 8
_MANY_RULES: Final = 100
_e = events.c
_IN_WORKSPACE: Final = _e.workspace == bindparam("workspace")


def _first_number(*, last: bool) -> Select[Any]:
    numbers = select(_e.event).where(_IN_WORKSPACE)
    return numbers.order_by(_e.event.desc() if last else _e.event).limit(1)


_SPAN: Final = Statement(
    select(
        func.coalesce(_first_number(last=True).scalar_subquery(), literal_column("0")),
        func.coalesce(_first_number(last=False).scalar_subquery(), literal_column("0")),
    )
)
_COUNT_OF_NAME: Final = Statement(
    pin_to_index(select(func.count()).select_from(events), events, "events_of_stream").where(
        _IN_WORKSPACE,
        _e.stream == number_of_name(bindparam("name", type_=_e.name.type)),
        _e.happened_at >= bindparam("since"),
    )
)


async def find_matching(
    tenant: Tenant, predicates: Sequence[tree.Predicate], now: int, zone: ZoneInfo
) -> Sequence[BitMap]:
    """Return the contacts that match each predicate, also keys that no contact has any more."""
    size = await _load_size(tenant)
    by_sql = [
        number
        for number, predicate in enumerate(predicates)
        if size >= MIN_EVENTS and can_select(parse_event_field(predicate.field))
    ]
    found = {number: await _Selected(predicates[number], now, zone).find(tenant, size) for number in by_sql}
    others = [number for number in range(len(predicates)) if number not in found]
    if others:
        matches = EventMatches([predicates[number] for number in others], now, zone)
        found |= zip(others, await matches.find(tenant), strict=True)
    return [found[number] for number in range(len(predicates))]


async def _load_size(tenant: Tenant) -> int:
    """Return about how many events a workspace has."""
    row = await tenant.fetch_one(_SPAN)
    assert row is not None
    last, first = row
    return int(last) - int(first) + 1 if last else 0


class EventMatches:
    """Predicates on single events, and what evaluates them for a contact at an instant in a time zone."""

    def __init__(self, predicates: Sequence[tree.Predicate], now: int, zone: ZoneInfo) -> None:
        self._count, self._now, self._zone = len(predicates), now, zone
        fields = [predicate.field for predicate in predicates]
        self._fields, self._totals = HistoryFields(fields, zone), EventFields(fields)
        self._evaluate = compile_to_python(dict(enumerate(predicates)), zone)
        self.without_events = self._match({})

    async def find(self, tenant: Tenant) -> Sequence[BitMap]:
        """Return the contacts that match each predicate, by reading the events of all contacts."""
        differing = [BitMap() for _ in range(self._count)]
        wanted, names = self._fields.want(), sorted(self._totals.by_event)
        async for part in event_histories.iterate_all(tenant, wanted, names):
            await self._add_differing(tenant, part, differing)
        return await self.complement(tenant, differing)

    async def look_at(self, tenant: Tenant, pks: Sequence[int]) -> Sequence[BitMap]:
        """Return who of some contacts differs from a contact without events in each predicate."""
        differing, wanted = [BitMap() for _ in range(self._count)], self._fields.want()
        for first in range(0, len(pks), event_histories.KEYS_PER_READ):
            part = pks[first : first + event_histories.KEYS_PER_READ]
            histories = await event_histories.load_of_contacts(tenant, part, wanted)
            await self._add_differing(tenant, [(pk, one, {}) for pk, one in histories.items()], differing)
        return differing

    async def complement(self, tenant: Tenant, differing: Sequence[BitMap]) -> Sequence[BitMap]:
        """Return who matches, given who differs from a contact without events."""
        if not self.without_events:
            return differing
        everybody = BitMap(range(1, await load_last_contact_key(tenant) + 1))
        return [keys ^ everybody if n in self.without_events else keys for n, keys in enumerate(differing)]

    async def _add_differing(
        self,
        tenant: Tenant,
        contacts: Sequence[tuple[int, Histories, EventStates]],
        differing: Sequence[BitMap],
    ) -> None:
        def note(part: Sequence[tuple[int, Histories, EventStates]]) -> None:
            for pk, histories, states in part:
                values = {**self._fields.read_values(histories), **self._totals.read_values(states)}
                for number in self._match(values) ^ self.without_events:
                    differing[number].add(pk)

        async for _ in compute_in_slices(tenant, contacts, note, _SLICE_LENGTH):
            pass

    def _match(self, values: Mapping[str, EventValue]) -> frozenset[int]:
        view = ContactView(ContactFields(values), {}, (), self._zone)
        return frozenset(self._evaluate(view, self._now))


class _Selected:
    """A predicate that SQL evaluates, but for the contacts that it cannot judge."""

    def __init__(self, predicate: tree.Predicate, now: int, zone: ZoneInfo) -> None:
        self._predicate, self._now, self._zone = predicate, now, zone
        self._others = EventMatches((predicate,), now, zone)

    async def find(self, tenant: Tenant, size: int) -> BitMap:
        """Return the contacts that match in a workspace with so many events."""
        by_arrival = await self._is_most(tenant, size)
        build = partial(self._build, tenant.backend, by_arrival=by_arrival)
        statement = await compute_off_loop(tenant, _MANY_RULES, build)
        codes = tenant.backend.decode_keys(await tenant.fetch_all(statement, **statement.values))
        differing, unknown = await compute_off_loop(tenant, len(codes), partial(_split_codes, codes))
        (looked_at,) = await self._others.look_at(tenant, unknown)
        (keys,) = await self._others.complement(tenant, [differing | looked_at])
        return keys

    async def _is_most(self, tenant: Tenant, size: int) -> bool:
        """Tell whether the events to read are so many that all are read in the order of arrival."""
        if not can_pin(tenant.backend):
            return False
        field, operand = parse_event_field(self._predicate.field), self._predicate.operand
        since = self._now - operand.value if isinstance(operand, tree.Window) else 0
        row = await tenant.fetch_one(_COUNT_OF_NAME, name=field.name, since=since)
        assert row is not None
        return int(row[0]) * _LOOK_UP_COST > size

    def _build(self, backend: Backend, *, by_arrival: bool) -> ShapedStatement:
        binder = Binder(backend, self._now, self._zone)
        holds = bool(self._others.without_events)
        selected = select_matching(self._predicate, binder, holds_without=holds, by_arrival=by_arrival)
        sql = scans.compile_once("events", backend, " ".join(binder.shape), lambda: selected)
        return ShapedStatement(sql, binder.values)


def _split_codes(codes: BitMap) -> tuple[BitMap, Sequence[int]]:
    """Return the contacts that differ, and those to look at."""
    return BitMap([code >> 1 for code in codes if not code & 1]), [code >> 1 for code in codes if code & 1]
