"""Finds the segments that contain one contact, and since when.

The stored membership of one contact is one chunk of each segment. Segments that time may have changed, and
those that wait for their first evaluation, are asked by their condition, for this contact alone.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from diglot.membership import read, store
from diglot.membership.active_segments import ActiveSegments, get_active_segments
from diglot.membership.read import MembershipQuery, clock_went_back, effective_now
from diglot.model.membership_changes import ChangeOrigin
from diglot.storage.membership import changes, log, log_sums, segment_state
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

# Upper limit of log rows scanned for when a contact entered its segments.
MAX_ROWS: Final = 10_000
# Entries of the log: after one, up to another.
_Span = tuple[int, int]


async def find_containing(tenant: Tenant, pk: int, now: int, state: WorkspaceState) -> list[int]:
    """Return the numbers of the segments that have a contact among their members, the newest first.

    Dynamic lists are left out, because they are not segments.
    """
    active = await get_active_segments(tenant, state.segments_version, state.zone)
    visible = active.segment_refs.keys()
    unstored = (await _find_moved(tenant, active, now, state) | active.pending_segments) & visible
    stored = ((active.conditions.keys() | active.static_segments) & visible) - unstored
    members = await store.find_members_among(tenant, sorted(stored), [pk], state)
    found = [number for number, keys in members.items() if pk in keys]
    at = effective_now(state, now)
    for number in sorted(unstored):
        query = MembershipQuery(active.conditions[number], at, state.zone)
        if await read.has_member(tenant, query, pk):
            found.append(number)
    return sorted(found, reverse=True)


async def _find_moved(
    tenant: Tenant, active: ActiveSegments, now: int, state: WorkspaceState
) -> frozenset[int]:
    """Return the segments whose stored members may be those of another instant."""
    if not active.by_relative_date:
        return frozenset()
    if clock_went_back(state.evaluated_at, now):
        return frozenset[int]().union(*active.by_relative_date.values())
    at = effective_now(state, now)
    rows = await segment_state.load_next_changes(tenant)
    return frozenset(number for number, due in rows if due <= at) & active.all_dynamic


async def find_entry_origins(
    tenant: Tenant, numbers: Sequence[int], pk: int, state: WorkspaceState
) -> dict[int, ChangeOrigin]:
    """Return when and why a contact last entered segments, by segment, as far as the history has it.

    One pass over the log serves all segments. It ends after `MAX_ROWS` rows, so that an old member of a
    busy workspace costs no more.
    """
    wanted = await _find_last_spans(tenant, numbers, pk, state)
    found: dict[int, ChangeOrigin] = {}
    rows = 0
    for after, until in _merge_spans(wanted.values()):
        async for row in log.iterate_backwards(tenant, after, until):
            for change in changes.decode_segments(row.body, wanted):
                if pk in change.entered or pk in change.left:
                    wanted.pop(change.segment, None)
                    if pk in change.entered:
                        found[change.segment] = row.origin
            rows += 1
            if rows == MAX_ROWS or not any(last > after for _, last in wanted.values()):
                break
        if rows == MAX_ROWS:
            break
    return found


async def _find_last_spans(
    tenant: Tenant, numbers: Sequence[int], pk: int, state: WorkspaceState
) -> dict[int, _Span]:
    """Return for each segment the last span of entries that mentions a contact, if one does."""
    delta = await store.get_delta(tenant, state)
    spans: dict[int, _Span] = {}
    for number in numbers:
        net = delta.net_changes.get(number)
        if net is not None and net.mentions(pk):
            spans[number] = net.first_entry - 1, state.last_entry
        elif (span := await _find_stored_span(tenant, number, pk, state)) is not None:
            spans[number] = span
    return spans


async def _find_stored_span(tenant: Tenant, number: int, pk: int, state: WorkspaceState) -> _Span | None:
    async for last, net in log_sums.iterate_backwards(tenant, number, state.history_entry):
        if net.mentions(pk):
            return max(net.first_entry - 1, state.history_entry), last
    return None


def _merge_spans(spans: Iterable[_Span]) -> list[_Span]:
    """Return the entries of all spans as spans without common entries, the last first."""
    merged: list[_Span] = []
    for after, until in sorted(spans, key=lambda span: span[1], reverse=True):
        if merged and until > merged[-1][0]:
            merged[-1] = min(after, merged[-1][0]), merged[-1][1]
        else:
            merged.append((after, until))
    return merged
