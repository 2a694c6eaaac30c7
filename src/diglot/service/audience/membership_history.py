"""Members of a segment as of an instant or an entry of the log, within the history."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from diglot.clock import Clock, system_clock
from diglot.conditions import dates
from diglot.errors import Invalid
from diglot.membership import as_of as stored
from diglot.membership import store
from diglot.model.contacts import Contact
from diglot.model.membership_changes import AsOf, AtInstant, Moment
from diglot.model.pages import PastPage, Window
from diglot.model.segments import Segment
from diglot.model.workspaces import Caller
from diglot.service.audience.segments import segment_with_state
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts, log
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.workspaces import State

T = TypeVar("T")
_Found = tuple[Segment, State]
# Reads what is shown of contacts, by their keys: of those that are still there.
_Show = Callable[[Transaction, int, Sequence[int]], Awaitable[Sequence[T]]]
_PATH: Final = ("as_of",)


@dataclass(frozen=True, slots=True)
class Past:
    """The use cases: whatever is written meanwhile, the windows as of one entry are those of one order."""

    engine: Engine
    clock: Clock = system_clock

    async def members(
        self, caller: Caller, id_: str | None, window: Window, as_of: AsOf
    ) -> PastPage[Contact]:
        """Return a window of the members, newest first, as they are now; raise `NotFound`.

        Raise `Invalid` for what the history does not say.
        """
        _, page = await self._page(caller, id_, window, as_of, queries.by_keys)
        return page

    async def member_ids(
        self, caller: Caller, id_: str | None, window: Window | None, as_of: AsOf
    ) -> tuple[Segment, PastPage[str]]:
        """Return a segment and a window of its members' ids, or all, as `members` does."""
        return await self._page(caller, id_, window, as_of, queries.ids_of_keys)

    async def _page(
        self, caller: Caller, id_: str | None, window: Window | None, as_of: AsOf, show: _Show[T]
    ) -> tuple[Segment, PastPage[T]]:
        async def work(transaction: Transaction) -> tuple[Segment, PastPage[T]]:
            workspace = caller.workspace
            segment, state = found = await segment_with_state(transaction, caller, id_)
            entry = await _entry(transaction, workspace, found, as_of, self.clock())
            then = await stored.members(transaction, workspace, segment.number, entry, state)
            is_ = await store.members(transaction, workspace, segment.number, state)
            # What is stored of a segment that waits to be evaluated may hold deleted ones still.
            gone = then if segment.members is None else then - is_
            deleted = await deleted_contacts.count_among(transaction, workspace, gone)
            asked = window or Window(0, len(then))
            keys = store.newest(then, asked.offset, asked.limit)
            items = await show(transaction, workspace, keys)
            return segment, PastPage(items, len(then), entry, deleted)

        return await self.engine.read(work)


async def _entry(transaction: Transaction, workspace: int, found: _Found, as_of: AsOf, now: int) -> int:
    segment, state = found
    if isinstance(as_of, AtInstant):
        _require_known_at(segment, state, as_of.at, now)
        after, until = state.history_entry, state.logged
        entry = await log.last_before(transaction, workspace, after, until, as_of.at)
    else:
        entry = as_of.number
        if entry > state.logged:
            raise Invalid.at(_PATH, f"There is no such change yet: the newest is {state.logged}")
    if segment.since_entry is None:
        raise Invalid.at(_PATH, "The segment is still being evaluated: its history has not begun")
    begins = max(state.history_entry, segment.since_entry)
    if entry < begins:
        raise Invalid.at(_PATH, f"The history of this segment begins after the change {begins}")
    return entry


def _require_known_at(segment: Segment, state: State, at: int, now: int) -> None:
    if at > now:
        raise Invalid.at(_PATH, "Lies in the future")
    if at < state.history_since:
        raise Invalid.at(_PATH, f"The history begins at {dates.written(state.history_since)}")
    if at < segment.created_at:
        raise Invalid.at(_PATH, f"The segment was made later, at {dates.written(segment.created_at)}")


async def entered_at(
    transaction: Transaction, workspace: int, segment: Segment, pk: int, state: State
) -> Moment | None:
    """Return when and why a contact entered a segment last; None where the history does not say.

    Nor does it of a contact that left since, as far as is stored.
    """
    found = await stored.last_change(transaction, workspace, segment.number, pk, state)
    return found[0] if found is not None and found[1] else None
