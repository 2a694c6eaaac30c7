"""Memberships that are kept current: chunks of bitmaps, a log of changes, and what reads make of both."""

import secrets
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from pyroaring import BitMap
from sqlalchemy import BigInteger, bindparam, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ClauseElement

from diglot.conditions import tree
from diglot.model.pages import Window
from diglot.storage import scans, workspaces
from diglot.storage.backends import Backend
from diglot.storage.engine import Transaction
from diglot.storage.overlay import CHUNK_BITS, Entry, Overlay
from diglot.storage.statement import BackendStatement, Statement
from diglot.storage.tables import membership_log, segment_chunks, segments
from diglot.storage.workspaces import State

# The log is folded into the chunks when it has so many entries.
FOLD_AT: Final = 2_000
_OVERLAYS: Final = "overlays"
_encode = msgspec.json.Encoder().encode

_c, _log = segment_chunks.c, membership_log.c
_HERE = _c.workspace == bindparam("workspace")
_LIVE = Statement(
    select(segments.c.segment, segments.c.tree).where(
        segments.c.workspace == bindparam("workspace"), segments.c.members.is_not(None)
    )
)
_SIZES = Statement(select(_c.chunk, _c.n).where(_HERE, _c.segment == bindparam("segment")))
_BITS = Statement(
    select(_c.bits).where(_HERE, _c.segment == bindparam("segment"), _c.chunk == bindparam("chunk"))
)
_FORGET = Statement(delete(segment_chunks).where(_HERE, _c.segment == bindparam("segment")))
_SET_MEMBERS = Statement(
    update(segments)
    .where(segments.c.workspace == bindparam("in_workspace"), segments.c.segment == bindparam("at_segment"))
    .values(members=bindparam("new_members"))
)
_ADD_MEMBERS = Statement(
    update(segments)
    .where(segments.c.workspace == bindparam("in_workspace"), segments.c.segment == bindparam("at_segment"))
    .values(members=segments.c.members + bindparam("more", type_=BigInteger()))
)
_LOG = Statement(insert(membership_log))
_ENTRIES = Statement(
    select(_log.entry, _log.pk, _log.added, _log.removed)
    .where(
        _log.workspace == bindparam("workspace"),
        _log.entry > bindparam("after"),
        _log.entry <= bindparam("last"),
    )
    .order_by(_log.entry)
)
_FORGET_LOG = Statement(
    delete(membership_log).where(_log.workspace == bindparam("workspace"), _log.entry <= bindparam("last"))
)


def _write(backend: Backend) -> ClauseElement:
    keys = ["workspace", "segment", "chunk"]
    if backend.name == "sqlite":
        lite = sqlite.insert(segment_chunks)
        return lite.on_conflict_do_update(
            index_elements=keys, set_={"n": lite.excluded.n, "bits": lite.excluded.bits}
        )
    server = postgresql.insert(segment_chunks)
    return server.on_conflict_do_update(
        index_elements=keys, set_={"n": server.excluded.n, "bits": server.excluded.bits}
    )


_WRITE = BackendStatement(_write)


async def live(transaction: Transaction, workspace: int) -> dict[int, tree.Node]:
    """Return the conditions of the segments that are kept current, by number."""
    rows = await transaction.rows(_LIVE, {"workspace": workspace})
    return {number: tree.decode(stored) for number, stored in rows}


async def build(
    transaction: Transaction, workspace: int, segment: int, node: tree.Node, zone: ZoneInfo
) -> int:
    """Evaluate a condition, write its members in chunks, and return how many they are.

    The log has to be folded first: it may name the segment under an earlier condition.
    """
    await transaction.run(_FORGET, {"workspace": workspace, "segment": segment})
    statement = scans.scan(scans.KEYS, node, transaction.backend, 0, zone)
    rows = await transaction.rows(statement, statement.values | {"workspace": workspace})
    keys = [row[0] for row in rows]
    await _write_chunks(transaction, workspace, segment, _chunks(keys))
    named = {"in_workspace": workspace, "at_segment": segment}
    await transaction.run(_SET_MEMBERS, named | {"new_members": len(keys)})
    await changed_segments(transaction, workspace)
    return len(keys)


async def forget(transaction: Transaction, workspace: int, segment: int) -> None:
    """Keep the membership of a segment no longer."""
    await transaction.run(_FORGET, {"workspace": workspace, "segment": segment})
    named = {"in_workspace": workspace, "at_segment": segment}
    await transaction.run(_SET_MEMBERS, named | {"new_members": None})
    await changed_segments(transaction, workspace)


async def changed_segments(transaction: Transaction, workspace: int) -> None:
    """Note that the segments kept current are others now, under a number that nobody saw before."""
    await workspaces.set_segments_version(transaction, workspace, secrets.randbits(62) + 1)


def _chunks(keys: Sequence[int]) -> Iterable[tuple[int, BitMap]]:
    for chunk, members in groupby(keys, key=lambda key: key >> CHUNK_BITS):
        yield chunk, BitMap(members)


async def _write_chunks(
    transaction: Transaction, workspace: int, segment: int, chunks: Iterable[tuple[int, BitMap]]
) -> None:
    values = []
    for chunk, members in chunks:
        members.run_optimize()
        row = {"workspace": workspace, "segment": segment, "chunk": chunk}
        values.append(row | {"n": len(members), "bits": members.serialize()})
    if values:
        await transaction.run_many(_WRITE, values)


async def log(
    transaction: Transaction,
    workspace: int,
    changes: Sequence[tuple[int, Sequence[int], Sequence[int]]],
) -> None:
    """Log who entered and left which segments: key, numbers entered, numbers left; fold when it is long."""
    taken = await workspaces.lock(transaction, workspace, entries=len(changes), moves=False)
    values = [
        {
            "workspace": workspace,
            "entry": entry,
            "pk": pk,
            "added": _encode(added).decode(),
            "removed": _encode(removed).decode(),
        }
        for entry, (pk, added, removed) in enumerate(changes, taken.entry)
    ]
    await transaction.run_many(_LOG, values)
    last = taken.entry + len(changes) - 1
    if last - taken.folded >= FOLD_AT:
        await fold(transaction, workspace, taken.folded, last)


async def fold(transaction: Transaction, workspace: int, folded: int, last: int) -> None:
    """Write the entries of the log up to the last into the chunks, and forget them."""
    overlay = Overlay(folded, folded).then(await _entries(transaction, workspace, folded, last), last)
    known = await live(transaction, workspace)
    for segment in sorted(overlay.segments & known.keys()):
        more = overlay.count(segment, 0)
        entered, left = overlay.change(segment)
        folded_chunks = []
        for chunk in sorted({pk >> CHUNK_BITS for pk in entered | left}):
            stored = await _members(transaction, workspace, segment, chunk)
            folded_chunks.append((chunk, overlay.apply(segment, stored, chunk)))
        await _write_chunks(transaction, workspace, segment, folded_chunks)
        named = {"in_workspace": workspace, "at_segment": segment}
        await transaction.run(_ADD_MEMBERS, named | {"more": more})
    await transaction.run(_FORGET_LOG, {"workspace": workspace, "last": last})
    await workspaces.set_folded(transaction, workspace, last)


async def _entries(transaction: Transaction, workspace: int, after: int, last: int) -> list[Entry]:
    if after >= last:
        return []
    values = {"workspace": workspace, "after": after, "last": last}
    return [Entry(*row) for row in await transaction.rows(_ENTRIES, values)]


async def _members(transaction: Transaction, workspace: int, segment: int, chunk: int) -> BitMap:
    row = await transaction.row(_BITS, {"workspace": workspace, "segment": segment, "chunk": chunk})
    return BitMap() if row is None else BitMap.deserialize(bytes(row[0]))


def remembered(transaction: Transaction, workspace: int, state: State) -> Overlay | None:
    """Return the overlay of a state where this process has it."""
    if state.folded == state.logged:
        return Overlay(state.folded, state.logged)
    kept: dict[int, Overlay] = transaction.memory.setdefault(_OVERLAYS, {})
    found = kept.get(workspace)
    same = found is not None and (found.folded, found.logged) == (state.folded, state.logged)
    return found if same else None


async def overlay(transaction: Transaction, workspace: int, state: State) -> Overlay:
    """Return the overlay of the state that a transaction sees."""
    found = remembered(transaction, workspace, state)
    if found is not None:
        return found
    kept: dict[int, Overlay] = transaction.memory.setdefault(_OVERLAYS, {})
    base = kept.get(workspace)
    if base is None or base.folded != state.folded or base.logged > state.logged:
        base = Overlay(state.folded, state.folded)
    found = base.then(await _entries(transaction, workspace, base.logged, state.logged), state.logged)
    if not transaction.writes and _newer(found, kept.get(workspace)):
        kept[workspace] = found
    return found


def _newer(found: Overlay, kept: Overlay | None) -> bool:
    return kept is None or (kept.folded, kept.logged) < (found.folded, found.logged)


async def keys(
    transaction: Transaction, workspace: int, segment: int, window: Window, changes: Overlay
) -> list[int]:
    """Return the keys of a window of the members, newest first."""
    rows = await transaction.rows(_SIZES, {"workspace": workspace, "segment": segment})
    counts = changes.counts(segment, dict(map(tuple, rows)))
    found: list[int] = []
    skip = window.offset
    for chunk in sorted(counts, reverse=True):
        if skip >= counts[chunk]:
            skip -= counts[chunk]
            continue
        stored = await _members(transaction, workspace, segment, chunk)
        members = changes.apply(segment, stored, chunk)
        end = len(members) - skip
        begin = max(0, end - (window.limit - len(found)))
        found += list(members[begin:end])[::-1]
        skip = 0
        if len(found) == window.limit:
            break
    return found
