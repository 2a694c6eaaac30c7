"""Updates memberships after each write of contacts, in the transaction of the write.

For an updated contact only the look-ups of changed fields are asked of the index of conditions, before and
after the write; the difference is appended to the log. So stored memberships never lag behind contacts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import starmap

from diglot.conditions.events.fields import EventValue
from diglot.conditions.relative_dates import NEVER, RelativeDate, next_flip
from diglot.membership import store
from diglot.membership.active_segments import LISTS_FIELD, ActiveSegments, get_next_changes, note_lowered
from diglot.membership.moves import (
    ContactWrite,
    EventMove,
    MembershipMoves,
    Sides,
    load_surroundings,
    match_moves_around,
    match_writes,
    move_events,
    newest_version,
)
from diglot.membership.writer import MembershipWriter, append_changes
from diglot.model.contact_views import NO_SURROUNDINGS, SurroundingsByKey
from diglot.model.contacts import Contact
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.storage.membership import deleted_contacts, moved_instants
from diglot.storage.membership.instant_index import IndexedInstant
from diglot.storage.slices import compute_in_slices


async def load_around(
    writer: MembershipWriter, written: Sequence[Contact], events: Sequence[EventMove] = ()
) -> SurroundingsByKey:
    """Return what the conditions of all segments read of contacts beside their rows.

    It may lack what an event of the only contact moves.
    """
    active, pks = writer.active_segments, [contact.pk for contact in written]
    if active.read_rows_only:
        return {}
    names = active.readers_of_events.find_names(active.all_dynamic)
    if events and len(pks) == 1:
        names = names.without(events[0].name)
    return await load_surroundings(writer.unit, active, active.all_dynamic, pks, names)


async def load_around_events(writer: MembershipWriter, events: Sequence[EventMove]) -> SurroundingsByKey:
    """Return what the conditions about the names of events read of their contacts beside row and event.

    That is enough if the events change nothing else of the contacts, as other conditions stay as they are.
    """
    around: SurroundingsByKey = {}
    groups: dict[tuple[str, Sequence[str]], list[EventMove]] = {}
    for event in events:
        groups.setdefault((event.name, tuple(event.beside)), []).append(event)
    for (name, beside), of_name in groups.items():
        around = {**around, **await _load_around_name(writer, name, beside, of_name)}
    return around


async def _load_around_name(
    writer: MembershipWriter, name: str, beside: Collection[str], events: Sequence[EventMove]
) -> SurroundingsByKey:
    """Return what is around contacts that had an event with a name; the states `beside` are known already."""
    active, readers = writer.active_segments, writer.active_segments.readers_of_events
    names, pks = readers.names_beside(name).without_states(beside), [event.pk for event in events]
    around = dict(await load_surroundings(writer.unit, active, readers.by_name[name], pks, names))
    for event in events:
        if states := {one: state for one, state in event.beside.items() if state is not None}:
            known = around.get(event.pk, NO_SURROUNDINGS)
            read = {**known.events, **active.event_fields.read_values(states)}
            around[event.pk] = known._replace(events=read)
    return around


async def follow_writes(
    writer: MembershipWriter,
    writes: Sequence[ContactWrite],
    cause: Cause,
    around: SurroundingsByKey,
    events: Sequence[EventMove] = (),
) -> None:
    """Update memberships after writes of contacts.

    `around` is what is around each contact, which the writes do not change, but `events` do: one each of some
    of the contacts, which themselves may not have changed.
    """
    deleted = [before for before, after in writes if before is not None and after is None]
    if deleted:
        identities = [(contact.pk, contact.id) for contact in deleted]
        await deleted_contacts.add(writer.unit, identities, writer.effective_now)
    if not writer.has_segments:
        return
    at = writer.effective_now
    sides = move_events(writer.active_segments, around, events)
    moves = await match_writes(writer.unit, writer.active_segments, writes, sides, at)
    if deleted and writer.active_segments.static_segments:
        await _leave_static_segments(writer, deleted, moves)
    await _update_indexes(writer, writes, sides)
    await append_changes(
        writer, moves.to_changes(), ChangeOrigin(at, cause), _contacts_for_webhooks(writer, writes)
    )


def _contacts_for_webhooks(writer: MembershipWriter, writes: Sequence[ContactWrite]) -> Mapping[int, Contact]:
    """Return the written contacts by key, or nothing if the workspace has no active webhook."""
    return (
        {contact.pk: contact for contact in starmap(newest_version, writes)}
        if writer.unit.row.active_webhook_count
        else {}
    )


async def _leave_static_segments(
    writer: MembershipWriter, deleted: Sequence[Contact], moves: MembershipMoves
) -> None:
    """Record that deleted contacts leave their static segments."""
    pks = [contact.pk for contact in deleted]
    among = await store.find_members_among(
        writer.unit, writer.active_segments.static_segments, pks, writer.unit.state
    )
    for number, members in among.items():
        if members:
            moves.left[number] = list(members)


async def _update_indexes(writer: MembershipWriter, writes: Sequence[ContactWrite], sides: Sides) -> None:
    """Update the instant indexes, and lower the next changes of segments with relative dates."""
    flips: dict[RelativeDate, int] = {}
    if not writer.active_segments.dates_of_field:
        return
    find = partial(_find_moved_instants, writer.active_segments, sides)
    if len(writes) == 1:
        # Without a generator, which costs an event as much as to find what it moves.
        await _replace_instants(writer, *find(writes), flips)
    else:
        async for removed, added in compute_in_slices(writer.unit, writes, find):
            await _replace_instants(writer, removed, added, flips)
    if flips:
        await _lower_next_changes(writer, flips)


async def _replace_instants(
    writer: MembershipWriter,
    removed: Sequence[IndexedInstant],
    added: Sequence[IndexedInstant],
    flips: dict[RelativeDate, int],
) -> None:
    """Replace instants of the indexes, and note the first flips that the new ones have."""
    if not removed and not added:
        return
    await moved_instants.replace(writer.unit, removed, added)
    for relative_date, flip in await _find_next_flips(writer, added):
        flips[relative_date] = min(flip, flips.get(relative_date, NEVER))


def _find_moved_instants(
    active_segments: ActiveSegments, sides: Sides, writes: Sequence[ContactWrite]
) -> tuple[list[IndexedInstant], list[IndexedInstant]]:
    """Return the instants of indexed fields that writes remove and add."""
    removed: list[IndexedInstant] = []
    added: list[IndexedInstant] = []
    for before, after in writes:
        pk = newest_version(before, after).pk
        around = [side.get(pk, NO_SURROUNDINGS) for side in sides]
        if before is after:
            old, new = map(active_segments.indexed_fields.instants_of_events, around)
        else:
            differ = before is None or after is None or before.attributes != after.attributes
            old = active_segments.instants_of(before, around[0], in_attributes=differ)
            new = active_segments.instants_of(after, around[1], in_attributes=differ)
        if old != new:
            removed += [(name, pk, at) for name, at in _list_missing(old, new)]
            added += [(name, pk, at) for name, at in _list_missing(new, old)]
    return removed, added


def _list_missing(
    these: Mapping[str, EventValue], others: Mapping[str, EventValue]
) -> Iterator[tuple[str, int]]:
    """Yield the fields and instants of these that are not among the others."""
    for name, value in these.items():
        if (other := others.get(name)) == value:
            continue
        if isinstance(value, int):
            yield name, value
        else:
            known = other if isinstance(other, tuple) else ()
            yield from ((name, at) for at in value if at not in known)


async def _find_next_flips(
    writer: MembershipWriter, added: Sequence[IndexedInstant]
) -> Iterable[tuple[RelativeDate, int]]:
    """Return the first flip of new instants for each relative date of their fields, if it may lower a change.

    Most instants are so late that one comparison tells that they do not: those of an event are now.
    """
    if not added:
        return ()
    may_lower = (await get_next_changes(writer.unit, writer.active_segments)).may_lower
    instants = defaultdict[str, list[int]](list)
    for name, _, instant in added:
        if may_lower(name, instant, writer.effective_now):
            instants[name].append(instant)
    return [
        (
            relative_date,
            next_flip(relative_date, sorted(of_field), writer.effective_now, writer.active_segments.zone),
        )
        for name, of_field in instants.items()
        for relative_date in writer.active_segments.dates_of_field[name]
    ]


async def _lower_next_changes(writer: MembershipWriter, flips: Mapping[RelativeDate, int]) -> None:
    """Lower the next changes of segments that a flip comes before."""
    active = writer.active_segments
    next_changes = await get_next_changes(writer.unit, active)
    lower: dict[int, int] = {}
    early = [one for one, at in flips.items() if at < next_changes.latest_by_date[one]]
    for relative_date in early:
        at = flips[relative_date]
        for number in active.by_relative_date[relative_date]:
            if at < next_changes.by_segment.get(number, NEVER):
                lower[number] = min(at, lower.get(number, NEVER))
    if lower:
        await store.lower_next_changes(writer.unit, lower)
        note_lowered(writer.unit, active, lower, early)


async def follow_list_moves(
    writer: MembershipWriter, moved: Sequence[Contact], before: SurroundingsByKey
) -> None:
    """Update memberships after contacts joined or left static lists.

    `before` is what was around each contact before the write.
    """
    if not writer.active_segments.affected_by(LISTS_FIELD):
        return
    sides = before, await load_around(writer, moved)
    at = writer.effective_now
    moves = await match_moves_around(writer.unit, writer.active_segments, moved, sides, LISTS_FIELD, at)
    known_contacts = {contact.pk: contact for contact in moved}
    await append_changes(
        writer, moves.to_changes(), ChangeOrigin(writer.effective_now, Cause.LIST_CHANGED), known_contacts
    )
