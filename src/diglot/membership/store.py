"""Memberships that are kept current: what chunks and the log since them say of a segment together."""

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pyroaring import BitMap
from sqlalchemy import BigInteger, Column, case, func, select

from diglot.membership.active_segments import Live
from diglot.membership.log_delta import Net, Overlay, chunks_of
from diglot.membership.remembered import remember
from diglot.model.membership_changes import Moment
from diglot.model.pages import Window
from diglot.storage import workspaces
from diglot.storage.membership import chunks, log, log_sums
from diglot.storage.membership.changes import Change
from diglot.storage.membership.chunks import chunk_of
from diglot.storage.schema import segments
from diglot.storage.schema import workspaces as workspace_rows
from diglot.storage.sql import bulk
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import Locked, State

# The log is folded into the chunks when it holds so many changes, each of one segment by one write: a folding
# writes most chunks of all segments, which pays where each gets several; but a new process has to read what
# is not folded. How many contacts a change moves counts for less: they are a bitmap from the start, but each
# process has it in memory.
FOLD_AT: Final = 2_000
FOLD_PER_CHUNK: Final = 256
FOLD_AT_MOST: Final = 1_000_000
MOVED_BY_A_CHANGE: Final = 8
# Clocks of several servers agree so far, in microseconds.
CLOCKS_AGREE: Final = 60_000_000
# Their chunks are in memory together.
_FOLDED_AT_ONCE: Final = 64
# Net changes of segments that a process remembers of all workspaces together.
MOST_NETS: Final = 100_000
_UNSURE: Final = "overlays of writers"
_OVERLAYS: Final = "overlays"

_c, _w = segments.c, workspace_rows.c
_KEYS = ("workspace", "segment")
_LOGGED = select(_w.next_entry - 1).where(_w.workspace == _c.workspace).scalar_subquery()


def _setting(name: str, make: bulk.Setting, **more: bulk.Setting) -> bulk.Bulk:
    return bulk.updating(segments, _KEYS, Column("value", BigInteger), {name: make, **more})


# What is stored for the first time has a history from then on.
_SET_MEMBERS = _setting(
    "members",
    lambda sent: sent["value"],
    since_entry=lambda sent: func.coalesce(_c.since_entry, _LOGGED),
)
_POSTPONE = _setting("members", lambda sent: sent["value"])
_ADD_MEMBERS = _setting("members", lambda sent: _c.members + sent["value"])
_SET_NEXT = _setting("next_change_at", lambda sent: sent["value"])
_LOWER_NEXT = _setting(
    "next_change_at",
    lambda sent: case((_c.next_change_at > sent["value"], sent["value"]), else_=_c.next_change_at),
)


async def _set(
    transaction: Transaction, statement: bulk.Bulk, workspace: int, values: Mapping[int, int | None]
) -> None:
    rows = [{"workspace": workspace, "segment": number, "value": one} for number, one in values.items()]
    await statement.run(transaction, rows)


@dataclass(frozen=True, slots=True)
class Kept:
    """A membership that was stored: how many members the chunks hold, who moved by it, as of which entry."""

    members: int
    entered: BitMap
    left: BitMap
    first: int = 0


async def members(transaction: Transaction, workspace: int, segment: int, state: State) -> BitMap:
    """Return every member of a segment in a state, by key."""
    changes = await overlay(transaction, workspace, state)
    entered, left = changes.change(segment)
    return (await chunks.every(transaction, workspace, segment) - left) | entered


async def store(
    transaction: Transaction, workspace: int, segment: int, now_members: BitMap, moment: Moment
) -> Kept:
    """Write a membership in place of the one that is stored; where nobody entered or left, that one stays."""
    state = await workspaces.state(transaction, workspace)
    changes = await overlay(transaction, workspace, state)
    stored = await chunks.every(transaction, workspace, segment)
    net = changes.nets.get(segment) or Net.since(state.folded + 1)
    was = (stored - net.left) | net.entered
    entered, left = now_members - was, was - now_members
    if not entered and not left:
        await set_members(transaction, workspace, {segment: len(stored)})
        return Kept(len(stored), entered, left)
    await chunks.replace(transaction, workspace, segment, now_members)
    taken = await log.append(transaction, workspace, [Change(segment, entered, left)], moment, whole=True)
    passed = (net.passed | net.entered | net.left) - (now_members ^ stored)
    sum_ = Net(net.first, now_members - stored, stored - now_members, passed)
    await log_sums.add(transaction, workspace, taken.entry + len(entered) + len(left) - 1, [(segment, sum_)])
    await set_members(transaction, workspace, {segment: len(now_members)})
    return Kept(len(now_members), entered, left, taken.entry)


async def postpone(transaction: Transaction, workspace: int, segment: int) -> None:
    """Have the membership of a segment evaluated when it is read, until it is evaluated and stored again."""
    await _set(transaction, _POSTPONE, workspace, {segment: None})


async def rewrite(  # noqa: PLR0913, PLR0917 - a membership: whose, who, and what is known
    transaction: Transaction, workspace: int, segment: int, now_members: BitMap, state: State, live: Live
) -> None:
    """Write the chunks of a membership and the number of its members anew, whatever they hold."""
    await fold(transaction, workspace, state, live)
    await chunks.replace(transaction, workspace, segment, now_members)
    await set_members(transaction, workspace, {segment: len(now_members)})


async def set_members(transaction: Transaction, workspace: int, members: Mapping[int, int]) -> None:
    """Note how many members the chunks of each of some segments hold, once all that is logged."""
    await _set(transaction, _SET_MEMBERS, workspace, members)


async def set_next(transaction: Transaction, workspace: int, nexts: Mapping[int, int]) -> None:
    """Note before which instant time does not change each of some segments."""
    if nexts:
        await _set(transaction, _SET_NEXT, workspace, nexts)
        await workspaces.set_clock_version(transaction, workspace, _token())


async def lower_next(transaction: Transaction, workspace: int, segments_: Mapping[int, int]) -> None:
    """Note that time changes some segments at an instant, where it does not do so earlier."""
    await _set(transaction, _LOWER_NEXT, workspace, segments_)
    await workspaces.set_clock_version(transaction, workspace, _token())
    await workspaces.lower_next_change(transaction, workspace, min(segments_.values()))


async def changed_segments(transaction: Transaction, workspace: int) -> None:
    """Note that the live segments are others now, under a number that nobody saw before."""
    await workspaces.set_segments_version(transaction, workspace, _token())


def _token() -> int:
    return secrets.randbits(62) + 1


def fold_at(live: Live, pk: int) -> int:
    """Return how many changes the log may hold, given the live segments and the next key of a contact."""
    touched = (len(live.nodes) + len(live.statics)) * (chunk_of(pk) + 1)
    return max(FOLD_AT, min(FOLD_PER_CHUNK * touched, FOLD_AT_MOST))


def is_long(live: Live, locked: Locked, last: int) -> bool:
    """Tell whether the log of a locked workspace, whose last number is given, is to be folded now."""
    most = fold_at(live, locked.pk)
    return locked.unfolded >= most or last - locked.folded >= most * MOVED_BY_A_CHANGE


async def fold(transaction: Transaction, workspace: int, state: State, live: Live) -> None:
    """Write what the log says into the chunks, and in sum into the history."""
    if state.folded == state.logged:
        return
    changes = await overlay(transaction, workspace, state)
    nets = [(number, net) for number, net in sorted(changes.nets.items()) if number in live.kept]
    for first in range(0, len(nets), _FOLDED_AT_ONCE):
        await _fold_some(transaction, workspace, changes, nets[first : first + _FOLDED_AT_ONCE])
    moved = [(number, net) for number, net in nets if net.entered or net.left or net.passed]
    await log_sums.add(transaction, workspace, state.logged, moved)
    await workspaces.set_folded(transaction, workspace, state.logged)


async def _fold_some(
    transaction: Transaction, workspace: int, changes: Overlay, nets: Sequence[tuple[int, Net]]
) -> None:
    touched = {number: chunks_of(net.entered | net.left) for number, net in nets}
    every = {chunk for found in touched.values() for chunk in found}
    if not every:
        return
    stored = await chunks.some(transaction, workspace, touched, every)
    await chunks.write(
        transaction,
        workspace,
        [
            (number, chunk, changes.apply(number, stored.get((number, chunk), BitMap()), chunk))
            for number, found in touched.items()
            for chunk in found
        ],
    )
    more = {number: changes.count(number, 0) for number, _ in nets}
    await _set(transaction, _ADD_MEMBERS, workspace, more)


async def members_among(
    transaction: Transaction, workspace: int, segments_: Iterable[int], pks: Iterable[int], state: State
) -> dict[int, BitMap]:
    """Return which of some contacts are in each of some segments."""
    asked = BitMap(pks)
    numbers = list(segments_)
    if not numbers or not asked:
        return {}
    changes = await overlay(transaction, workspace, state)
    stored = await chunks.some(transaction, workspace, numbers, chunks_of(asked))
    found = {number: BitMap() for number in numbers}
    for (number, _), bits in stored.items():
        found[number] |= bits & asked
    for number in numbers:
        entered, left = changes.change(number)
        found[number] = (found[number] - left) | (entered & asked)
    return found


def remembered(transaction: Transaction, workspace: int, state: State) -> Overlay | None:
    """Return the overlay of a state where this process has it."""
    return known(transaction, workspace, state.folded, state.logged)


def known(transaction: Transaction, workspace: int, folded: int, logged: int) -> Overlay | None:
    """Return the overlay of the entries after one up to another where this process has it."""
    if folded == logged:
        return Overlay(folded, logged)
    found = _overlays(transaction, _OVERLAYS).get(workspace)
    return found if found is not None and (found.folded, found.logged) == (folded, logged) else None


async def overlay(transaction: Transaction, workspace: int, state: State) -> Overlay:
    """Return the overlay of the state that a transaction sees."""
    found = remembered(transaction, workspace, state)
    if found is not None:
        return found
    # What a transaction that writes sees may be undone: it is gone on with only where the log still holds it.
    kept = _overlays(transaction, _UNSURE if transaction.writes else _OVERLAYS)
    found = await read(transaction, workspace, state, kept.get(workspace))
    if transaction.writes or _newer(found, kept.get(workspace)):
        remember(kept, workspace, found, lambda one: len(one.nets) + 1, MOST_NETS)
    return found


def _overlays(transaction: Transaction, which: str) -> OrderedDict[int, Overlay]:
    found: OrderedDict[int, Overlay] = transaction.memory.setdefault(which, OrderedDict())
    return found


async def _leads_to(transaction: Transaction, workspace: int, base: Overlay, state: State) -> bool:
    """Tell whether an overlay can be gone on with to a state."""
    if base.folded != state.folded or base.logged > state.logged:
        return False
    if base.mark is None or not transaction.writes:
        return True
    return await log.holds(transaction, workspace, base.logged, base.mark)


async def read(transaction: Transaction, workspace: int, state: State, base: Overlay | None) -> Overlay:
    """Return the overlay of a state as it is stored, but for what an earlier overlay says already."""
    if base is None or not await _leads_to(transaction, workspace, base, state):
        base = Overlay(state.folded, state.folded)
    rows = await log.between(transaction, workspace, base.logged, state.logged)
    return base.then(rows, state.logged)


def distrust(transaction: Transaction) -> None:
    """Forget what this process remembers of logs: they are read again."""
    transaction.memory.update({_OVERLAYS: OrderedDict(), _UNSURE: OrderedDict()})


def _newer(found: Overlay, kept: Overlay | None) -> bool:
    return kept is None or (kept.folded, kept.logged) < (found.folded, found.logged)


async def keys(
    transaction: Transaction, workspace: int, segment: int, window: Window, changes: Overlay
) -> list[int]:
    """Return the keys of a window of the members, newest first."""
    counts = changes.counts(segment, await chunks.sizes(transaction, workspace, segment))
    found: list[int] = []
    skip = window.offset
    for chunk in sorted(counts, reverse=True):
        if skip >= counts[chunk]:
            skip -= counts[chunk]
            continue
        stored = await chunks.one(transaction, workspace, segment, chunk)
        found += newest(changes.apply(segment, stored, chunk), skip, window.limit - len(found))
        skip = 0
        if len(found) == window.limit:
            break
    return found


def newest(keys_: BitMap, offset: int, limit: int) -> list[int]:
    """Return a window of some keys, newest first."""
    end = max(0, len(keys_) - offset)
    return list(keys_[max(0, end - limit) : end])[::-1]
