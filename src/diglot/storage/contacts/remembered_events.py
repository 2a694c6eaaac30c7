"""What the events of contacts with many of them count for, as this process remembers it.

An event never changes, and a contact gets new ones under the lock of its workspace. So only the events are
read whose numbers are after those that are remembered. These are committed: they have lower numbers than all
events of the unit, which after a rollback are given again, and nothing of the unit itself is remembered. What
a unit reads of another one in the same commit of SQLite is forgotten if that commit fails.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from diglot.caches import CacheSlot, SharedCache
from diglot.conditions.histories.fields import FieldsOfName, GatheredByStream, HistoryFields
from diglot.conditions.histories.past_events import History
from diglot.storage.contacts import event_histories
from diglot.storage.contacts.event_histories import AfterNumber
from diglot.storage.write_unit import WriteUnit

# Fewer events are read again.
MIN_REMEMBERED: Final = 50
_BYTES_OF_AN_EVENT: Final = 150
# The workspace, the contact, and the name of the events.
_Key = tuple[int, int, str]


class _Remembered(NamedTuple):
    """What events before a number count for; `kept_since` is the instant since which events are kept."""

    fields: FieldsOfName
    kept_since: int
    until: int
    event_count: int
    gathered: GatheredByStream


def _weigh(_key: _Key, one: _Remembered) -> int:
    return _BYTES_OF_AN_EVENT * (
        one.event_count + sum(len(found.instants) for found in one.gathered.values())
    )


_CACHE: Final = CacheSlot[SharedCache[_Key, _Remembered]](
    "remembered events", 0.03125, lambda size: SharedCache(size, _weigh), is_of_writers=True
)


class EventsBefore(NamedTuple):
    """The events of a contact with a name; all have numbers before the first of the unit.

    `stream` is the number of the name if the contact has had any that no machine caused, as its state tells,
    else None.
    """

    pk: int
    name: str
    number: int
    stream: int | None


async def gather_each_before(
    unit: WriteUnit, asked: Sequence[EventsBefore], fields: HistoryFields
) -> Sequence[GatheredByStream]:
    """Return what the events before some new ones count for.

    The unit has recorded none of the contact and the name before, because what this remembers is committed.
    """
    cache = unit.transaction.process_cache.of(_CACHE)
    gathered: list[GatheredByStream] = [{}] * len(asked)
    known: dict[int, _Remembered] = {}
    for place, one in enumerate(asked):
        if (of_name := fields.by_event.get(one.name)) is None:
            continue
        if one.stream is None and not of_name.need_machines:
            gathered[place] = of_name.gathered_of_none
        else:
            known[place] = _recall(unit, cache.get((unit.workspace, one.pk, one.name)), of_name)
    if not known:
        return gathered
    after = [_after(asked[place], one) for place, one in known.items()]
    histories = await event_histories.load_each_after(unit, after, unit.row.events_since)
    for (place, before), history in zip(known.items(), histories, strict=True):
        one = asked[place]
        now = gathered[place] = _add_history(before, history)
        if (count := before.event_count + len(history)) >= MIN_REMEMBERED:
            remembered = before._replace(until=one.number, event_count=count, gathered=now)
            cache.put((unit.workspace, one.pk, one.name), remembered)
    return gathered


def _recall(unit: WriteUnit, known: _Remembered | None, of_name: FieldsOfName) -> _Remembered:
    """Return what is remembered, or of no events if that is for other fields or events."""
    kept_since = unit.row.events_since
    if known is not None and known.fields is of_name and known.kept_since == kept_since:
        return known
    return _Remembered(of_name, kept_since, 0, 0, of_name.gathered_of_none)


def _after(one: EventsBefore, known: _Remembered) -> AfterNumber:
    return AfterNumber(one.pk, known.until, one.name, one.stream, known.fields.need_machines)


def _add_history(known: _Remembered, history: History) -> GatheredByStream:
    """Return what is remembered of events together with what newer ones count for."""
    if not history:
        return known.gathered
    new = known.fields.gather(history)
    if not known.event_count:
        return new
    return {
        stream: found.merge(new[stream]) if new[stream].instants else found
        for stream, found in known.gathered.items()
    }
