"""Who entered and left segments: the log of memberships as clients read it, one change after another."""

from dataclasses import dataclass

from diglot.errors import Invalid
from diglot.membership import feed
from diglot.membership.feed import FeedSlice
from diglot.model.membership_changes import ChangeFeed, MembershipChange
from diglot.model.workspaces import Caller
from diglot.service.audience.segments import require_segment_with_state
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import WorkspaceState


@dataclass(frozen=True, slots=True)
class MembershipChanges:
    """The use cases of the feed; every call reads one state of the database."""

    engine: Engine

    async def list_for_workspace(self, caller: Caller, after: int | None, limit: int) -> ChangeFeed:
        """Return the next changes after a number, from the beginning of the history without one.

        Changes of segments behind dynamic lists take numbers and are not among them. Raise `Invalid` for a
        number before the history.
        """

        async def work(transaction: Transaction) -> ChangeFeed:
            state = await workspaces.load_state(transaction, caller.workspace)
            begin = _resolve_start(after, state)
            fed = await feed.load_workspace_changes(transaction, caller.workspace, begin, limit, state)
            return await _build_feed(transaction, caller.workspace, fed, begin, state)

        return await self.engine.read(work)

    async def list_for_segment(
        self, caller: Caller, id_: str | None, after: int | None, limit: int
    ) -> ChangeFeed:
        """Return the next changes of one segment; raise `NotFound`, or `Invalid` as for all."""

        async def work(transaction: Transaction) -> ChangeFeed:
            workspace = caller.workspace
            segment, state = await require_segment_with_state(transaction, caller, id_)
            begin = _resolve_start(after, state)
            fed = await feed.load_segment_changes(transaction, workspace, segment.number, begin, limit, state)
            return await _build_feed(transaction, workspace, fed, begin, state)

        return await self.engine.read(work)


def _resolve_start(after: int | None, state: WorkspaceState) -> int:
    if after is None:
        return state.history_entry
    if after < state.history_entry:
        raise Invalid.at(("after",), f"The history begins after the change {state.history_entry}")
    return after


async def _build_feed(
    transaction: Transaction, workspace: int, fed: FeedSlice, after: int, state: WorkspaceState
) -> ChangeFeed:
    pks = sorted({step.pk for step in fed.entries})
    ids = await queries.load_ids_by_key(transaction, workspace, pks)
    if len(ids) < len(pks):
        ids |= await deleted_contacts.load_ids(transaction, workspace, [pk for pk in pks if pk not in ids])
    numbers = {step.segment for step in fed.entries}
    named = await segments.load_ids(transaction, workspace, numbers) if numbers else {}
    moves = [
        MembershipChange(step.number, step.origin, named[step.segment], ids.get(step.pk), step.entered)
        for step in fed.entries
        if step.segment in named
    ]
    return ChangeFeed(moves, after, fed.through, state.last_entry)
