"""Who entered and left segments: the log of memberships as clients read it, one change after another."""

from dataclasses import dataclass

from diglot.errors import Invalid
from diglot.membership import feed
from diglot.membership.feed import Fed
from diglot.model.membership_changes import Feed, MemberMove
from diglot.model.workspaces import Caller
from diglot.service.audience.segments import segment_with_state
from diglot.storage import workspaces
from diglot.storage.audience import segments
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import State


@dataclass(frozen=True, slots=True)
class Changes:
    """The use cases of the feed; every call reads one state of the database."""

    engine: Engine

    async def of_workspace(self, caller: Caller, after: int | None, limit: int) -> Feed:
        """Return the next changes after a number, from the beginning of the history without one.

        Changes of segments behind dynamic lists take numbers and are not among them. Raise `Invalid` for a
        number before the history.
        """

        async def work(transaction: Transaction) -> Feed:
            state = await workspaces.state(transaction, caller.workspace)
            begin = _begin(after, state)
            fed = await feed.of_workspace(transaction, caller.workspace, begin, limit, state)
            return await _named(transaction, caller.workspace, fed, begin, state)

        return await self.engine.read(work)

    async def of_segment(self, caller: Caller, id_: str | None, after: int | None, limit: int) -> Feed:
        """Return the next changes of one segment; raise `NotFound`, or `Invalid` as for all."""

        async def work(transaction: Transaction) -> Feed:
            workspace = caller.workspace
            segment, state = await segment_with_state(transaction, caller, id_)
            begin = _begin(after, state)
            fed = await feed.of_segment(transaction, workspace, segment.number, begin, limit, state)
            return await _named(transaction, workspace, fed, begin, state)

        return await self.engine.read(work)


def _begin(after: int | None, state: State) -> int:
    if after is None:
        return state.history_entry
    if after < state.history_entry:
        raise Invalid.at(("after",), f"The history begins after the change {state.history_entry}")
    return after


async def _named(transaction: Transaction, workspace: int, fed: Fed, after: int, state: State) -> Feed:
    pks = sorted({step.pk for step in fed.steps})
    ids = await queries.ids_by_key(transaction, workspace, pks)
    if len(ids) < len(pks):
        ids |= await deleted_contacts.ids_of(transaction, workspace, [pk for pk in pks if pk not in ids])
    numbers = {step.segment for step in fed.steps}
    named = await segments.ids_of(transaction, workspace, numbers) if numbers else {}
    moves = [
        MemberMove(step.number, step.moment, named[step.segment], ids.get(step.pk), step.entered)
        for step in fed.steps
        if step.segment in named
    ]
    return Feed(moves, after, fed.through, state.logged)
