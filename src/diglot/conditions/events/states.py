"""The state of the events of one name: what all events of a contact with this name add up to.

A state has the totals, which do not depend on how long events are kept, and the newest instants, which answer
how many events lie in a window: at least N do if the N-th newest instant does. So no leaf of a condition has
to read events.
"""

import struct
from bisect import bisect_left
from collections.abc import Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, Final

import msgspec

from diglot.conditions import text

# 512 bytes in a row. A longer list would be written again with each event.
MAX_RECENT: Final = 64
# A conversion with its worth; the bodies of all other kinds have the properties as data, or are the data.
_CONVERSION: Final = "conversion"
_VIEW: Final = "view"
MACHINE: Final = "machine"
REVENUE: Final = "revenue"
# The sum of any doubles and numeric texts is exact with these digits: from 1e308 down to 5e-324.
EXACT: Final = Context(prec=1_000, traps=[Inexact, InvalidOperation])
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class EventState(msgspec.Struct, frozen=True):
    """The events of one name of one contact; instants are in microseconds.

    `revenue` is the sum of the numeric properties of that name. `recent` are the newest instants, newest
    first: all of them, or the newest 64.
    """

    count: int
    first_at: int
    last_at: int
    revenue: Decimal
    recent: tuple[int, ...]


class CountedEvent(msgspec.Struct, frozen=True):
    """What a state takes of an event: when it happened, and its revenue."""

    at: int
    revenue: Decimal = Decimal(0)


def add_event(state: EventState | None, event: CountedEvent) -> EventState:
    """Return a state with one event more, which may be older than others; None is the state of no events."""
    at = event.at
    if state is None:
        return EventState(1, at, at, event.revenue, (at,))
    place = bisect_left(state.recent, -at, key=lambda instant: -instant)
    recent = (*state.recent[:place], at, *state.recent[place:])[:MAX_RECENT]
    return EventState(
        state.count + 1,
        min(state.first_at, at),
        max(state.last_at, at),
        EXACT.add(state.revenue, event.revenue),
        recent,
    )


def pack_instants(instants: tuple[int, ...]) -> bytes:
    """Return instants in their stored form: 8 bytes each, the highest first."""
    return struct.pack(f">{len(instants)}q", *instants)


def unpack_instants(packed: bytes) -> tuple[int, ...]:
    """Return instants from their stored form."""
    return struct.unpack(f">{len(packed) // 8}q", packed)


def read_properties(kind: str, body: str) -> Mapping[str, Any]:
    """Return the properties of a stored event by the kind of the event and its body.

    Those of a conversion are its metadata, its revenue and its currency.
    """
    members = _decode(body)
    if kind == _VIEW:
        return members
    if kind != _CONVERSION:
        data: Mapping[str, Any] = members.get("data", {})
        return data
    return {**members["metadata"], **{name: members[name] for name in (REVENUE, "currency")}}


def is_by_machine(properties: Mapping[str, Any]) -> bool:
    """Tell whether a machine caused an event, so that it counts only for rules that name `machine`."""
    return properties.get(MACHINE) is True


def count_event(properties: Mapping[str, Any], at: int) -> CountedEvent | None:
    """Return what the state of a name takes of an event, None for an event that a machine caused."""
    if is_by_machine(properties):
        return None
    return CountedEvent(at, to_decimal(properties.get(REVENUE)))


def to_decimal(value: object) -> Decimal:
    """Return a number, or a text that reads as one, as a decimal; anything else is 0."""
    kind = type(value)
    if kind is float or kind is int:
        # The spelling of a double, because its exact value has digits that nobody sent.
        return Decimal(repr(value))
    if not isinstance(value, str) or text.parse_number(value) is None:
        return Decimal(0)
    return Decimal(value)
