"""Creates the demo day by day, with a clock that moves, so that charts have a past."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from typing import Final

from diglot.cli.examples.contacts import generate_contacts
from diglot.clock import Clock
from diglot.dialects.registry import DIALECTS
from diglot.model.contacts import ContactChange
from diglot.model.workspaces import Caller
from diglot.service.audience.segments import Segments
from diglot.service.contacts.contacts import Contacts
from diglot.storage.sql.engine import Engine

_DAY: Final = 86_400_000_000
# A server keeps 30 days of history unless it is told otherwise.
_DAYS: Final = 29


def begin_of_history(now: int) -> int:
    """Return the instant at which the demo begins."""
    return now - _DAYS * _DAY


async def create_day_by_day(engine: Engine, caller: Caller, now: int) -> None:
    """Create the contacts on the days on which they were created, and the segments on the first of these."""
    for day, contacts in _group_by_day(now):
        clock = _stand_still(day)
        await Contacts(engine, clock).import_all(caller, contacts)
        if day == begin_of_history(now):
            await create_segments(engine, caller, clock)


async def create_segments(engine: Engine, caller: Caller, clock: Clock) -> None:
    """Create the segments of each dialect."""
    segments = Segments(engine, clock)
    for dialect in DIALECTS:
        for segment in dialect.demo.segments:
            await segments.create(caller, segment.to_new_segment(dialect.name, dialect.words))


def _group_by_day(now: int) -> Iterator[tuple[int, Sequence[ContactChange]]]:
    begin = begin_of_history(now)
    for day, contacts in groupby(generate_contacts(now), partial(_find_day, begin=begin)):
        yield begin + day * _DAY, list(contacts)


def _find_day(contact: ContactChange, begin: int) -> int:
    """Return the number of the day at whose end a contact is created; all older ones are created on day 0."""
    created_at: int = contact.values["created_at"]
    return max(0, -((begin - created_at) // _DAY))


def _stand_still(instant: int) -> Clock:
    return lambda: instant
