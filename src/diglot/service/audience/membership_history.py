"""Membership history: the members of a segment as of an instant or an entry of the log."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from diglot.clock import Clock, system_clock
from diglot.conditions import dates
from diglot.errors import InvalidInput
from diglot.membership import as_of as stored
from diglot.membership import store
from diglot.model.contacts import Contact
from diglot.model.membership_changes import AsOf, AtInstant, ChangeOrigin
from diglot.model.pages import HistoricalPage, Window
from diglot.model.segments import Segment
from diglot.model.workspaces import Caller
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.unit_of_work import reads
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts, log
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

T = TypeVar("T")
_SegmentWithState = tuple[Segment, WorkspaceState]
# Loads the contacts of keys; deleted contacts are left out.
_LoadByKeys = Callable[[Tenant, Sequence[int]], Awaitable[Sequence[T]]]
_AS_OF_PATH: Final = ("as_of",)


@dataclass(frozen=True, slots=True)
class MembershipHistory:
    """The use cases of history. Pages as of one entry stay consistent, whatever is written in between."""

    engine: Engine
    clock: Clock = system_clock

    async def list_members(
        self, caller: Caller, id_: str | None, window: Window, as_of: AsOf
    ) -> HistoricalPage[Contact]:
        """Return a window of the members at a point in history, newest first; raise `NotFound`.

        The contacts have their current fields. Raise `InvalidInput` for a point outside the history.
        """
        _, page = await self._read_page(caller, id_, window, as_of, queries.load_contacts)
        return page

    async def list_member_ids(
        self, caller: Caller, id_: str | None, window: Window | None, as_of: AsOf
    ) -> tuple[Segment, HistoricalPage[str]]:
        """Return a segment and a window of the ids of its members, or all ids, as `list_members` does."""
        return await self._read_page(caller, id_, window, as_of, queries.load_ids)

    @reads
    async def _read_page(
        self,
        tenant: Tenant,
        id_: str | None,
        window: Window | None,
        as_of: AsOf,
        load: _LoadByKeys[T],
    ) -> tuple[Segment, HistoricalPage[T]]:
        segment, state = with_state = await require_segment_with_state(tenant, id_)
        entry = await _resolve_entry(tenant, with_state, as_of, self.clock())
        members = await stored.load_members(tenant, segment.number, entry, state)
        current_members = await store.load_members(tenant, segment.number, state)
        # The stored members of a pending segment may include deleted contacts.
        missing = members if segment.members is None else members - current_members
        deleted = await deleted_contacts.count_among(tenant, missing)
        resolved = window or Window(0, len(members))
        keys = store.newest_keys(members, resolved.offset, resolved.limit)
        items = await load(tenant, keys)
        return segment, HistoricalPage(items, len(members), entry, deleted)


async def _resolve_entry(tenant: Tenant, with_state: _SegmentWithState, as_of: AsOf, now: int) -> int:
    segment, state = with_state
    if isinstance(as_of, AtInstant):
        _require_within_history(segment, state, as_of.at, now)
        after, until = state.history_entry, state.last_entry
        entry = await log.find_last_entry_before(tenant, after, until, as_of.at)
    else:
        entry = as_of.number
        if entry > state.last_entry:
            raise InvalidInput.at(
                _AS_OF_PATH, f"There is no such change yet: the newest is {state.last_entry}"
            )
    if segment.since_entry is None:
        raise InvalidInput.at(_AS_OF_PATH, "The segment is still being evaluated: its history has not begun")
    begins = max(state.history_entry, segment.since_entry)
    if entry < begins:
        raise InvalidInput.at(_AS_OF_PATH, f"The history of this segment begins after the change {begins}")
    return entry


def _require_within_history(segment: Segment, state: WorkspaceState, at: int, now: int) -> None:
    if at > now:
        raise InvalidInput.at(_AS_OF_PATH, "Lies in the future")
    if at < state.history_since:
        raise InvalidInput.at(
            _AS_OF_PATH, f"The history begins at {dates.format_instant(state.history_since)}"
        )
    if at < segment.created_at:
        raise InvalidInput.at(
            _AS_OF_PATH, f"The segment was created later, at {dates.format_instant(segment.created_at)}"
        )


async def find_entry_origin(
    tenant: Tenant, segment: Segment, pk: int, state: WorkspaceState
) -> ChangeOrigin | None:
    """Return the origin of the last entry of a contact into a segment, or None if history has none.

    None also if the last stored change says that the contact left.
    """
    last_change = await stored.find_last_change(tenant, segment.number, pk, state)
    return last_change[0] if last_change is not None and last_change[1] else None
