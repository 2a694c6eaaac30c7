"""Creates the demo in steps of days, with a clock that moves, so that charts and the past have a shape."""

from collections.abc import Iterator, Sequence
from typing import Final

from diglot.cli.examples.activity import Activity
from diglot.cli.examples.contacts import generate_contacts
from diglot.clock import Clock
from diglot.dialects.registry import DIALECTS
from diglot.model.contacts import ContactChange
from diglot.model.workspaces import Caller
from diglot.service.audience.segments import Segments
from diglot.service.contacts.contacts import Contacts
from diglot.service.contacts.events import Events
from diglot.storage.sql.engine import Engine

_DAY: Final = 86_400_000_000
_DAYS: Final = 120
# The last month has a step each day, what lies before it one every few days: each step is a write.
_DAILY: Final = 30
_STEP_BEFORE: Final = 3
# A server of the demo keeps all of its history for as long as anybody looks at it.
KEPT_DAYS: Final = 400


def begin_of_history(now: int) -> int:
    """Return the instant at which the demo begins."""
    return now - _DAYS * _DAY


async def create_step_by_step(engine: Engine, caller: Caller, now: int) -> None:
    """Create contacts when they were created, the segments with the first of them, and what happens then."""
    activity, before = Activity(), 0
    for day, contacts in _group_by_step(now):
        at = begin_of_history(now) + day * _DAY
        clock = _stand_still(at)
        changes = list(activity.draw_changes(day, day - before, at)) if day else []
        await Contacts(engine, clock).import_all(caller, [*contacts, *changes])
        activity.meet(contacts)
        if day == 0:
            await create_segments(engine, caller, clock)
        for contact, event in activity.draw_events(day - before):
            await Events(engine, clock).record(caller, contact, event)
        before = day


async def create_segments(engine: Engine, caller: Caller, clock: Clock) -> None:
    """Create the segments of each dialect."""
    segments = Segments(engine, clock)
    for dialect in DIALECTS:
        for segment in dialect.demo.segments:
            await segments.create(caller, segment.to_new_segment(dialect.name, dialect.words))


def _group_by_step(now: int) -> Iterator[tuple[int, Sequence[ContactChange]]]:
    """Yield the days on which something is written, with the contacts created since the step before."""
    begin, contacts = begin_of_history(now), list(generate_contacts(now))
    first = 0
    for day in (*range(0, _DAYS - _DAILY, _STEP_BEFORE), *range(_DAYS - _DAILY, _DAYS + 1)):
        end = begin + day * _DAY
        last = first
        while last < len(contacts) and contacts[last].values["created_at"] <= end:
            last += 1
        yield day, contacts[first:last]
        first = last


def _stand_still(instant: int) -> Clock:
    return lambda: instant
