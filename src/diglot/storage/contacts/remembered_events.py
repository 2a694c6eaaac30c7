"""What the events of contacts with many of them count for, as this process remembers it.

An event never changes, and a contact gets new ones under the lock of its workspace. So only the events are
read whose numbers are after those that are remembered. These are committed: the number of the event that a
unit records is after all of them, and nothing of the unit itself is remembered.
"""

from dataclasses import dataclass
from typing import Final

from diglot.caches import CacheSlot, SharedCache
from diglot.conditions.histories.fields import FieldsOfName, GatheredByStream, HistoryFields
from diglot.storage.contacts import event_histories
from diglot.storage.write_unit import WriteUnit

# Fewer events are read again.
MIN_REMEMBERED: Final = 50
_BYTES_OF_AN_EVENT: Final = 150
# The workspace, the contact, and the name of the events.
_Key = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """What events before a number count for; `kept_since` is the instant since which events are kept."""

    fields: FieldsOfName
    kept_since: int
    until: int
    count: int
    gathered: GatheredByStream


def _weigh(_key: _Key, one: _Remembered) -> int:
    return _BYTES_OF_AN_EVENT * (one.count + sum(len(found.instants) for found in one.gathered.values()))


_CACHE: Final = CacheSlot[SharedCache[_Key, _Remembered]](
    "remembered events", 0.03125, lambda size: SharedCache(size, _weigh)
)


async def gather_before(  # noqa: PLR0913 - the events of a contact with a name, before a number
    unit: WriteUnit, pk: int, name: str, fields: HistoryFields, number: int, *, has_counted: bool
) -> GatheredByStream:
    """Return what the events of a contact with a name count for, all of which have lower numbers.

    `has_counted` tells whether the contact has had any that no machine caused, as its state tells.
    """
    if (of_name := fields.by_event.get(name)) is None:
        return {}
    if not has_counted and not of_name.need_machines:
        return of_name.gathered_of_none
    cache, key = unit.transaction.process_cache.of(_CACHE), (unit.workspace, pk, name)
    known = cache.get(key)
    if known is None or known.fields is not of_name or known.kept_since != unit.row.events_since:
        known = _Remembered(of_name, unit.row.events_since, 0, 0, of_name.gathered_of_none)
    history = await event_histories.load_after(unit, pk, fields.want((name,)), known.until)
    new = of_name.gather(history)
    gathered = {
        stream: found.merge(new[stream]) if new[stream].instants else found
        for stream, found in known.gathered.items()
    }
    count = known.count + len(history)
    if count >= MIN_REMEMBERED:
        cache.put(key, _Remembered(of_name, unit.row.events_since, number, count, gathered))
    return gathered
