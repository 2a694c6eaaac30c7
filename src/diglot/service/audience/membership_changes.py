"""The feed of membership changes: the log as clients read it, one change after another."""

from dataclasses import dataclass

from diglot.errors import InvalidInput
from diglot.membership.history import feed
from diglot.membership.history.feed import FeedSlice
from diglot.model.membership_changes import ChangeFeed, MembershipChange
from diglot.service.audience.segment_lookup import require_segment_with_state
from diglot.service.unit_of_work import reads
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState


@dataclass(frozen=True, slots=True)
class MembershipChanges:
    """The use cases of the feed; every call reads one snapshot."""

    engine: Engine

    @reads
    async def list_for_workspace(self, tenant: Tenant, after: int | None, limit: int) -> ChangeFeed:
        """Return the next changes after a sequence number; None starts at the beginning of the history.

        Changes of dynamic lists have sequence numbers too, but are left out. Raise `InvalidInput` for a
        number before the history.
        """
        state = await workspaces.load_state(tenant)
        begin = _resolve_start(after, state)
        slice_ = await feed.load_workspace_changes(tenant, begin, limit, state)
        return await _build_feed(tenant, slice_, begin, state)

    @reads
    async def list_for_segment(
        self, tenant: Tenant, id_: str | None, after: int | None, limit: int
    ) -> ChangeFeed:
        """Return the next changes of one segment; raise `NotFound`, or `InvalidInput` as above."""
        segment, state = await require_segment_with_state(tenant, id_)
        begin = _resolve_start(after, state)
        slice_ = await feed.load_segment_changes(tenant, segment.number, begin, limit, state)
        return await _build_feed(tenant, slice_, begin, state)


def _resolve_start(after: int | None, state: WorkspaceState) -> int:
    if after is None:
        return state.history_entry
    if after < state.history_entry:
        raise InvalidInput.at(("after",), f"The history begins after the change {state.history_entry}")
    return after


async def _build_feed(tenant: Tenant, slice_: FeedSlice, after: int, state: WorkspaceState) -> ChangeFeed:
    pks = sorted({entry.pk for entry in slice_.entries})
    ids = await queries.load_ids_by_key(tenant, pks)
    if len(ids) < len(pks):
        ids |= await deleted_contacts.load_ids(tenant, [pk for pk in pks if pk not in ids])
    numbers = {entry.segment for entry in slice_.entries}
    numbers |= {one for entry in slice_.entries if (one := entry.origin.segment) is not None}
    segment_ids = await segments.load_ids(tenant, numbers) if numbers else {}
    moves = [
        MembershipChange(
            *(entry.number, entry.origin, segment_ids[entry.segment], ids.get(entry.pk), entry.entered),
            cause_segment_id=segment_ids.get(entry.origin.segment or 0),
        )
        for entry in slice_.entries
        if entry.segment in segment_ids
    ]
    return ChangeFeed(moves, after, slice_.through, state.last_entry)
