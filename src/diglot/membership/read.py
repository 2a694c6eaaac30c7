"""Reads memberships: count, page, ids and members all come from one `MembershipQuery`, so they agree.

The members of an evaluated segment are its chunks, the log delta, and the changes by time since the workspace
clock. Any other condition, and a pending segment, is evaluated by a scan of the contacts. Measured with 1M
contacts on SQLite: 0.01 ms for a stored count, 240 to 340 ms for a scan.
"""

from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace
from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import NEVER, RelativeDate, relative_dates_of
from diglot.membership import passage_of_time, store
from diglot.membership.active_segments import get_active_segments
from diglot.membership.log_delta import LogDelta
from diglot.membership.static_members.lookup import load_key_sets
from diglot.model.contacts import Contact
from diglot.model.pages import Sort, Window
from diglot.model.segments import Segment, SegmentType
from diglot.storage.contacts import history_index, queries, scans
from diglot.storage.contacts.rows import contact_of
from diglot.storage.membership import chunks, crossings
from diglot.storage.membership.log import DeltaRow
from diglot.storage.predicates.binder import KeySets
from diglot.storage.predicates.sql_compiler import compile_condition
from diglot.storage.slices import compute_off_loop
from diglot.storage.sql.backend import Backend
from diglot.storage.sql.statement import ShapedStatement
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState


class StoredMembership(msgspec.Struct, frozen=True):
    """A stored membership: the number of members in the chunks of a segment, in a state of the workspace.

    `time_may_have_moved_it` is set if the segment's next change by time is due.
    """

    segment: int
    members: int
    state: WorkspaceState
    time_may_have_moved_it: bool = False


class MembershipQuery(msgspec.Struct, frozen=True):
    """The members of a condition or a segment at `now`, which may be slightly ahead of this process's clock.

    `stored` is the stored membership, if there is one; a static segment always has one. `restriction` narrows
    the members of a static segment.
    """

    condition: tree.Node
    now: int
    zone: ZoneInfo
    is_static: bool = False
    stored: StoredMembership | None = None
    restriction: tree.Node | None = None

    @classmethod
    def for_segment(cls, segment: Segment, now: int, state: WorkspaceState) -> "MembershipQuery":
        """Return the query for the members of a segment in a state of its workspace."""
        now = effective_now(state, now)
        static = segment.type is SegmentType.STATIC
        stored = None
        if segment.members is not None and not _is_from_future(segment, now, state):
            due = segment.next_change_at <= now
            stored = StoredMembership(segment.number, segment.members, state, due)
        return cls(segment.evaluated_tree, now, state.zone, static, stored)

    def restricted_to(self, condition: tree.Node | None) -> "MembershipQuery":
        """Return the query for the members that also match a condition; None restricts nothing."""
        # A draft matches no contact, but only if it is the whole condition.
        if condition is None or (not self.is_static and tree.is_draft(self.condition)):
            return self
        if self.is_static:
            return replace(self, restriction=condition)
        return replace(self, condition=tree.All((self.condition, condition)), stored=None)

    @property
    def stored_answer(self) -> StoredMembership | None:
        """The stored membership, unless a restriction narrows it."""
        return self.stored if self.restriction is None else None


class MemberKeys(msgspec.Struct, frozen=True):
    """The keys of the members in one snapshot: at most two bits for each contact."""

    bitmap: BitMap

    def __len__(self) -> int:
        return len(self.bitmap)

    def newest(self, offset: int, limit: int) -> list[int]:
        """Return a window of the keys, newest first."""
        return store.newest_keys(self.bitmap, offset, limit)


def clock_went_back(evaluated_at: int, now: int) -> bool:
    """Tell whether the system clock was set back by more than the skew between servers."""
    return now < evaluated_at - store.MAX_CLOCK_SKEW


def effective_now(state: WorkspaceState, now: int) -> int:
    """Return the instant that a read shows: the workspace clock if that is slightly ahead of ours."""
    return now if clock_went_back(state.evaluated_at, now) else max(now, state.evaluated_at)


def _is_from_future(segment: Segment, now: int, state: WorkspaceState) -> bool:
    """Tell whether the stored members are those of a future instant, because the clock was set back."""
    if segment.type is SegmentType.STATIC or not clock_went_back(state.evaluated_at, now):
        return False
    return bool(relative_dates_of(segment.evaluated_tree))


async def _build_scan(
    tenant: Tenant, query: MembershipQuery, purpose: str, sort: Sort | None = None
) -> tuple[ShapedStatement, dict[str, Any]]:
    """Return the scan for a purpose, and its values without those of the window."""
    backend = tenant.backend
    if not query.is_static:
        key_sets = await load_key_sets(tenant, (query.condition,), query.now, query.zone)
        statement = await scans.prepare_scan(
            tenant, purpose, query.condition, query.now, query.zone, key_sets, sort=sort
        )
        return statement, statement.values
    restrictions = () if query.restriction is None else (query.restriction,)
    key_sets = await load_key_sets(tenant, restrictions, query.now, query.zone)
    rule_count = sum(map(scans.count_rules, restrictions))
    statement = await compute_off_loop(
        tenant, rule_count, lambda: _build_static_scan(backend, query, key_sets, purpose, sort)
    )
    stored = query.stored
    assert stored is not None
    members = await store.load_members(tenant, stored.segment, stored.state)
    return statement, statement.values | {"keys": backend.encode_list(list(members))}


def _build_static_scan(
    backend: Backend, query: MembershipQuery, key_sets: KeySets, purpose: str, sort: Sort | None
) -> ShapedStatement:
    restriction = None
    if query.restriction is not None:
        restriction = compile_condition(query.restriction, backend, query.now, query.zone, key_sets)
    return scans.build_static_scan(purpose, backend, restriction, sort)


async def load_current_delta(
    tenant: Tenant, query: MembershipQuery, stored: StoredMembership
) -> LogDelta | None:
    """Return the delta with the changes by time up to now; None if a scan costs less."""
    changes = await store.get_delta(tenant, stored.state)
    if not stored.time_may_have_moved_it:
        return changes
    state = stored.state
    active_segments = await get_active_segments(tenant, state.segments_version, state.zone)
    since, until = state.evaluated_at, max(query.now, state.evaluated_at)
    numbers = frozenset({stored.segment})
    by_time = await passage_of_time.changes_by_time(tenant, active_segments, numbers, since, until)
    if by_time.to_evaluate_in_full:
        return None
    return changes.with_rows(
        [DeltaRow(state.last_entry, rewrites_segment=False, changes=by_time.changes)], state.last_entry
    )


async def count_members(tenant: Tenant, query: MembershipQuery) -> int:
    """Return the number of members."""
    if (stored := query.stored_answer) is not None:
        changes = await load_current_delta(tenant, query, stored)
        if changes is not None:
            return changes.count_members(stored.segment, stored.members)
    statement, values = await _build_scan(tenant, query, scans.COUNT)
    row = await tenant.fetch_one(statement, **values)
    assert row is not None
    return int(row[0])


async def has_member(tenant: Tenant, query: MembershipQuery, pk: int) -> bool:
    """Tell whether the contact of a key is a member."""
    if (stored := query.stored_answer) is not None:
        changes = await load_current_delta(tenant, query, stored)
        if changes is not None:
            chunk = chunks.chunk_of(pk)
            members = await chunks.load_chunk(tenant, stored.segment, chunk)
            return pk in changes.apply_to_chunk(stored.segment, members, chunk)
    statement, values = await _build_scan(tenant, query, scans.HAS)
    return await tenant.fetch_one(statement, **values, pk=pk) is not None


async def load_page(
    tenant: Tenant, query: MembershipQuery, window: Window, sort: Sort | None = None
) -> list[Contact]:
    """Return a window of the members, newest first or sorted."""
    if sort is None and (pks := await _load_page_keys(tenant, query, window)) is not None:
        return await queries.load_contacts(tenant, pks)
    statement, values = await _build_scan(tenant, query, scans.PAGE, sort)
    rows = await tenant.fetch_all(statement, **values, limit=window.limit, offset=window.offset)
    return [contact_of(row) for row in rows]


async def load_after(tenant: Tenant, query: MembershipQuery, pk: int, limit: int) -> list[Contact]:
    """Return the next members after a key, oldest first, for loops that update the members they load."""
    statement, values = await _build_scan(tenant, query, scans.AFTER)
    rows = await tenant.fetch_all(statement, **values, after=pk, limit=limit)
    return [contact_of(row) for row in rows]


async def load_ids(tenant: Tenant, query: MembershipQuery, window: Window) -> list[str]:
    """Return the ids of a window of the members, newest first."""
    if (pks := await _load_page_keys(tenant, query, window)) is not None:
        return await queries.load_ids(tenant, pks)
    statement, values = await _build_scan(tenant, query, scans.IDS)
    rows = await tenant.fetch_all(statement, **values, limit=window.limit, offset=window.offset)
    return [row[0] for row in rows]


async def load_members(tenant: Tenant, query: MembershipQuery) -> BitMap:
    """Return the keys of all members."""
    if (stored := query.stored_answer) is not None:
        changes = await load_current_delta(tenant, query, stored)
        if changes is not None:
            entered, left = changes.entered_and_left(stored.segment)
            members = await chunks.load_all(tenant, stored.segment)
            return (members - left) | entered
    return await evaluate_condition(tenant, query.condition, query.now, query.zone)


async def evaluate_condition(tenant: Tenant, node: tree.Node, now: int, zone: ZoneInfo) -> BitMap:
    """Return the keys of all contacts that match a condition, by one scan."""
    key_sets = await load_key_sets(tenant, (node,), now, zone)
    statement = await scans.prepare_scan(tenant, scans.KEYS, node, now, zone, key_sets)
    rows = await tenant.fetch_all(statement, **statement.values)
    return tenant.backend.decode_keys(rows)


async def _load_page_keys(tenant: Tenant, query: MembershipQuery, window: Window) -> list[int] | None:
    """Return the keys of a window of a stored membership, or None if a scan is necessary."""
    if (stored := query.stored_answer) is None:
        return None
    changes = await load_current_delta(tenant, query, stored)
    if changes is None:
        return None
    return await store.load_page_keys(tenant, stored.segment, window, changes)


def cached_count(tenant: Tenant, query: MembershipQuery) -> int | None:
    """Return the number of members if that needs no statement, or None."""
    stored = query.stored_answer
    if stored is None or stored.time_may_have_moved_it:
        return None
    changes = store.cached_delta_of_state(tenant, stored.state)
    return None if changes is None else changes.count_members(stored.segment, stored.members)


def next_change_is_known(segment: Segment, state: WorkspaceState, now: int) -> bool:
    """Tell whether the stored instant is the next one at which time can change a segment.

    A pending segment has no valid instant stored.
    """
    is_tracked = segment.members is not None and not clock_went_back(state.evaluated_at, now)
    if is_tracked and segment.next_change_at > effective_now(state, now):
        return True
    return segment.next_change_at == NEVER and not _relative_dates(segment)


def _relative_dates(segment: Segment) -> frozenset[RelativeDate]:
    """Return the relative dates in the condition of a segment; a static segment has none."""
    return frozenset() if segment.type is SegmentType.STATIC else relative_dates_of(segment.evaluated_tree)


async def with_next_change(tenant: Tenant, segment: Segment, state: WorkspaceState, now: int) -> Segment:
    """Return a segment with the next instant at which time can change its members."""
    if next_change_is_known(segment, state, now):
        return segment
    at, relative_dates = effective_now(state, now), _relative_dates(segment)
    # Fields that are not indexed yet give no instant, so time may change the segment at any moment.
    next_change = at + 1
    indexed = await history_index.load_indexed_fields(tenant)
    if {history_index.key_of(relative_date.field) for relative_date in relative_dates} <= indexed:
        next_change = await crossings.find_first_flip(tenant, relative_dates, at, state.zone)
    return replace(segment, next_change_at=next_change)
