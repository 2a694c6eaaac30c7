"""Membership history: the members of a segment as of an instant or an entry of the log."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from diglot.clock import Clock, system_clock
from diglot.conditions import dates
from diglot.errors import InvalidInput
from diglot.membership import store
from diglot.membership.history import as_of as stored
from diglot.membership.history.as_of import PastMembers
from diglot.membership.read import MemberKeys
from diglot.model.contacts import Contact
from diglot.model.membership_changes import AsOf, AtInstant, ChangeOrigin
from diglot.model.pages import AllIds, HistoricalPage, Window
from diglot.model.segments import Segment
from diglot.model.workspaces import Caller
from diglot.service.audience.member_ids import iterate_other_ids, load_first_ids
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.unit_of_work import reads
from diglot.storage.contacts import queries
from diglot.storage.membership import log
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

T = TypeVar("T")
SegmentWithState = tuple[Segment, WorkspaceState]
# Loads the contacts of keys; deleted contacts are left out.
_LoadByKeys = Callable[[Tenant, Sequence[int]], Awaitable[Sequence[T]]]
_AS_OF_PATH: Final = ("as_of",)
HISTORY_NOT_BEGUN: Final = "The segment is still being evaluated: its history has not begun"


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
        self, caller: Caller, id_: str | None, window: Window, as_of: AsOf
    ) -> tuple[Segment, HistoricalPage[str]]:
        """Return a segment and a window of the ids of its members, as `list_members` does."""
        return await self._read_page(caller, id_, window, as_of, queries.load_ids)

    async def list_all_member_ids(self, caller: Caller, id_: str | None, as_of: AsOf) -> AllIds:
        """Return the ids of all members, without those deleted since, as `list_members` does."""
        page, keys = await self._read_first_ids(caller, id_, as_of)
        return AllIds(page, iterate_other_ids(self.engine, caller.workspace, keys))

    @reads
    async def _read_first_ids(
        self, tenant: Tenant, id_: str | None, as_of: AsOf
    ) -> tuple[HistoricalPage[str], MemberKeys]:
        past = await self._load_past(tenant, id_, as_of)
        keys = MemberKeys(past.members - past.deleted)
        ids = await load_first_ids(tenant, keys)
        return HistoricalPage(ids, len(past.members), past.entry, len(past.deleted)), keys

    @reads
    async def _read_page(
        self, tenant: Tenant, id_: str | None, window: Window, as_of: AsOf, load: _LoadByKeys[T]
    ) -> tuple[Segment, HistoricalPage[T]]:
        past = await self._load_past(tenant, id_, as_of)
        keys = store.newest_keys(past.members, window.offset, window.limit)
        items = await load(tenant, keys)
        return past.segment, HistoricalPage(items, len(past.members), past.entry, len(past.deleted))

    async def _load_past(self, tenant: Tenant, id_: str | None, as_of: AsOf) -> PastMembers:
        with_state = await require_segment_with_state(tenant, id_)
        return await load_past(tenant, with_state, as_of, self.clock())


async def load_past(tenant: Tenant, with_state: SegmentWithState, as_of: AsOf, now: int) -> PastMembers:
    """Return the members of a segment at a point in history; raise `InvalidInput` for one outside of it."""
    segment, state = with_state
    entry = await _resolve_entry(tenant, with_state, as_of, now)
    return await stored.load_past_members(tenant, segment, entry, state)


async def _resolve_entry(tenant: Tenant, with_state: SegmentWithState, as_of: AsOf, now: int) -> int:
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
        raise InvalidInput.at(_AS_OF_PATH, HISTORY_NOT_BEGUN)
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
