"""The membership relation: one relation from which count, page, members and estimate all come.

A segment is its chunks and the log since, and what time did since then; a condition that is not a segment's,
or one that is not evaluated yet, is asked of the contacts here and now.
"""

from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import relative_dates_of
from diglot.membership import passage_of_time, store
from diglot.membership.active_segments import get_active_segments
from diglot.membership.log_delta import LogDelta
from diglot.model.contacts import Contact
from diglot.model.pages import Sort, Window
from diglot.model.segments import Segment, SegmentType
from diglot.storage.contacts import queries, scans
from diglot.storage.contacts.rows import contact_of
from diglot.storage.membership import chunks
from diglot.storage.membership.log import DeltaRow
from diglot.storage.predicates.sql_compiler import compile_condition
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import ShapedStatement
from diglot.storage.workspaces import WorkspaceState


@dataclass(frozen=True, slots=True)
class StoredMembership:
    """A membership that is kept: how many members the chunks of a segment hold, in which state.

    `due` says that time may have changed it since.
    """

    segment: int
    members: int
    state: WorkspaceState
    time_may_have_moved_it: bool = False


@dataclass(frozen=True, slots=True)
class MembershipQuery:
    """Whose members are meant, and when: at `now`, which what is stored may have a little later than asked.

    `stored` is there where the membership is kept; a `static` one has no other. `narrow` leaves those of a
    static one for whom it is true too.
    """

    workspace: int
    condition: tree.Node
    now: int
    zone: ZoneInfo
    is_static: bool = False
    stored: StoredMembership | None = None
    restriction: tree.Node | None = None

    @classmethod
    def for_segment(
        cls, workspace: int, segment: Segment, now: int, state: WorkspaceState
    ) -> "MembershipQuery":
        """Return the relation of a stored segment in a state of its workspace."""
        now = effective_now(state, now)
        static = segment.type is SegmentType.STATIC
        stored = None
        if segment.members is not None and not _is_from_future(segment, now, state):
            due = segment.next_change_at <= now
            stored = StoredMembership(segment.number, segment.members, state, due)
        return cls(workspace, segment.condition.tree, now, state.zone, static, stored)

    def restricted_to(self, condition: tree.Node | None) -> "MembershipQuery":
        """Return the relation of the members for whom a condition is true too; None is true of all."""
        # A draft matches nobody, but only where it is the whole of a condition.
        if condition is None or (not self.is_static and tree.is_draft(self.condition)):
            return self
        if self.is_static:
            return replace(self, restriction=condition)
        return replace(self, condition=tree.All((self.condition, condition)), stored=None)

    @property
    def stored_answer(self) -> StoredMembership | None:
        """What is stored, where that is the whole answer."""
        return self.stored if self.restriction is None else None


def clock_went_back(evaluated_at: int, now: int) -> bool:
    """Tell whether the clock was set back; clocks of several servers agree by a minute or so."""
    return now < evaluated_at - store.MAX_CLOCK_SKEW


def effective_now(state: WorkspaceState, now: int) -> int:
    """Return the instant of what a read shows: what is stored may be a little ahead of this clock."""
    return now if clock_went_back(state.evaluated_at, now) else max(now, state.evaluated_at)


def _is_from_future(segment: Segment, now: int, state: WorkspaceState) -> bool:
    """Tell whether a stored membership is one of the future."""
    if segment.type is SegmentType.STATIC or not clock_went_back(state.evaluated_at, now):
        return False
    return bool(relative_dates_of(segment.condition.tree))


async def _build_scan(
    transaction: Transaction, relation: MembershipQuery, purpose: str, sort: Sort | None = None
) -> tuple[ShapedStatement, dict[str, Any]]:
    """Return the statement of a purpose and its values, the window's excepted."""
    values: dict[str, Any] = {"workspace": relation.workspace}
    backend = transaction.backend
    if not relation.is_static:
        statement = scans.build_scan(
            purpose, relation.condition, backend, relation.now, relation.zone, sort=sort
        )
        return statement, values | statement.values
    also = None
    if relation.restriction is not None:
        also = compile_condition(relation.restriction, backend, relation.now, relation.zone)
    statement = scans.build_static_scan(purpose, backend, also, sort)
    stored = relation.stored
    assert stored is not None
    found = await store.load_members(transaction, relation.workspace, stored.segment, stored.state)
    return statement, values | statement.values | {"keys": backend.encode_list(list(found))}


async def _load_current_delta(
    transaction: Transaction, relation: MembershipQuery, stored: StoredMembership
) -> LogDelta | None:
    """Return what changed of a stored membership up to now; None where evaluating it costs less."""
    changes = await store.get_delta(transaction, relation.workspace, stored.state)
    if not stored.time_may_have_moved_it:
        return changes
    state = stored.state
    known = await get_active_segments(transaction, relation.workspace, state.segments_version, state.zone)
    since, until = state.evaluated_at, max(relation.now, state.evaluated_at)
    numbers = frozenset({stored.segment})
    passed = await passage_of_time.changes_by_time(
        transaction, relation.workspace, known, numbers, since, until
    )
    if passed.to_evaluate_in_full:
        return None
    return changes.with_rows(
        [DeltaRow(state.last_entry, rewrites_segment=False, changes=passed.changes)], state.last_entry
    )


async def count_members(transaction: Transaction, relation: MembershipQuery) -> int:
    """Return how many contacts are members."""
    if (stored := relation.stored_answer) is not None:
        changes = await _load_current_delta(transaction, relation, stored)
        if changes is not None:
            return changes.count_members(stored.segment, stored.members)
    statement, values = await _build_scan(transaction, relation, scans.COUNT)
    row = await transaction.fetch_one(statement, values)
    assert row is not None
    return int(row[0])


async def has_member(transaction: Transaction, relation: MembershipQuery, pk: int) -> bool:
    """Tell whether the contact of a key is a member."""
    if (stored := relation.stored_answer) is not None:
        changes = await _load_current_delta(transaction, relation, stored)
        if changes is not None:
            chunk = chunks.chunk_of(pk)
            held = await chunks.load_chunk(transaction, relation.workspace, stored.segment, chunk)
            return pk in changes.apply_to_chunk(stored.segment, held, chunk)
    statement, values = await _build_scan(transaction, relation, scans.HAS)
    return await transaction.fetch_one(statement, values | {"pk": pk}) is not None


async def load_page(
    transaction: Transaction, relation: MembershipQuery, window: Window, sort: Sort | None = None
) -> list[Contact]:
    """Return a window of the members, newest first or sorted."""
    if sort is None and (found := await _load_page_keys(transaction, relation, window)) is not None:
        return await queries.load_contacts(transaction, relation.workspace, found)
    statement, values = await _build_scan(transaction, relation, scans.PAGE, sort)
    rows = await transaction.fetch_all(statement, values | {"limit": window.limit, "offset": window.offset})
    return [contact_of(row) for row in rows]


async def load_after(
    transaction: Transaction, relation: MembershipQuery, pk: int, limit: int
) -> list[Contact]:
    """Return the next members after a key, oldest first: for walks that change what they pass."""
    statement, values = await _build_scan(transaction, relation, scans.AFTER)
    rows = await transaction.fetch_all(statement, values | {"after": pk, "limit": limit})
    return [contact_of(row) for row in rows]


async def load_ids(transaction: Transaction, relation: MembershipQuery, window: Window) -> list[str]:
    """Return the ids of a window of the members, newest first."""
    if (found := await _load_page_keys(transaction, relation, window)) is not None:
        return await queries.load_ids(transaction, relation.workspace, found)
    statement, values = await _build_scan(transaction, relation, scans.IDS)
    rows = await transaction.fetch_all(statement, values | {"limit": window.limit, "offset": window.offset})
    return [row[0] for row in rows]


async def load_members(transaction: Transaction, relation: MembershipQuery) -> BitMap:
    """Return the keys of all members of what is kept, or of a condition."""
    if (stored := relation.stored_answer) is not None:
        changes = await _load_current_delta(transaction, relation, stored)
        if changes is not None:
            entered, left = changes.entered_and_left(stored.segment)
            held = await chunks.load_all(transaction, relation.workspace, stored.segment)
            return (held - left) | entered
    return await evaluate_condition(
        transaction, relation.workspace, relation.condition, relation.now, relation.zone
    )


async def evaluate_condition(
    transaction: Transaction, workspace: int, node: tree.Node, now: int, zone: ZoneInfo
) -> BitMap:
    """Return the keys of all contacts for whom a condition is true, by one scan."""
    statement = scans.build_scan(scans.KEYS, node, transaction.backend, now, zone)
    rows = await transaction.fetch_all(statement, statement.values | {"workspace": workspace})
    return transaction.backend.decode_keys(rows)


async def _load_page_keys(
    transaction: Transaction, relation: MembershipQuery, window: Window
) -> list[int] | None:
    """Return the keys of a window of what is kept, where something is."""
    if (stored := relation.stored_answer) is None:
        return None
    changes = await _load_current_delta(transaction, relation, stored)
    if changes is None:
        return None
    return await store.load_page_keys(transaction, relation.workspace, stored.segment, window, changes)


def cached_count(transaction: Transaction, relation: MembershipQuery) -> int | None:
    """Return how many contacts are members of what is kept, where that needs no query."""
    stored = relation.stored_answer
    if stored is None or stored.time_may_have_moved_it:
        return None
    changes = store.cached_delta_of_state(transaction, relation.workspace, stored.state)
    return None if changes is None else changes.count_members(stored.segment, stored.members)
