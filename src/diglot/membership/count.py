"""How many members a segment has: evaluated once for each state of a workspace, then remembered.

A count is remembered with the version of the workspace's contacts that it was made at, and used only where
the same snapshot shows the same version: it can never differ from the members read beside it. Conditions
that move with time alone are evaluated each time.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from diglot.caches import SharedCache
from diglot.conditions import tree
from diglot.conditions.relative_dates import relative_dates_of
from diglot.membership import read, store
from diglot.membership.read import MembershipQuery
from diglot.model.segments import MemberCount
from diglot.storage.membership import segment_state
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import WorkspaceState

MAX_CACHED_COUNTS: Final = 50_000
_CacheKey = tuple[int, int, str, bytes]


@dataclass(slots=True)
class CountCache:
    """The remembered counts of this process."""

    _counts: SharedCache[_CacheKey, int] = field(default_factory=lambda: SharedCache(MAX_CACHED_COUNTS))

    def cached_count(
        self, transaction: Transaction, relation: MembershipQuery, state: WorkspaceState
    ) -> int | None:
        """Return the number of members in a state, where that is known without asking."""
        if relation.stored_answer is not None:
            return read.cached_count(transaction, relation)
        if not relation.is_static and tree.is_draft(relation.condition):
            return 0
        key = _cache_key(relation, state)
        return None if key is None else self._counts.get(key)

    async def count(self, transaction: Transaction, relation: MembershipQuery, state: WorkspaceState) -> int:
        """Return the number of members in the state that the transaction sees."""
        found = self.cached_count(transaction, relation, state)
        if found is None:
            found = await read.count_members(transaction, relation)
            if (key := _cache_key(relation, state)) is not None:
                self._counts.put(key, found)
        return found

    async def count_uncached(
        self, transaction: Transaction, relation: MembershipQuery, state: WorkspaceState
    ) -> int:
        """Return the number of members as a transaction that wrote sees it.

        A remembered count may be used, but none kept: what this transaction sees may be undone.
        """
        found = self.cached_count(transaction, relation, state)
        return await read.count_members(transaction, relation) if found is None else found


def _cache_key(relation: MembershipQuery, state: WorkspaceState) -> _CacheKey | None:
    if relation.stored_answer is not None:
        return None
    node = relation.condition if relation.restriction is None else relation.restriction
    if relative_dates_of(node):
        return None
    members = f"{relation.stored.segment} " if relation.restriction is not None and relation.stored else ""
    # Of a condition with thousands of values no copy is kept for each state that it is counted in.
    asked = sha256(f"{members}{tree.encode(node)}".encode()).digest()
    return relation.workspace, state.contacts_version, relation.zone.key, asked


async def find_stored_count(
    transaction: Transaction, workspace: int, id_: str, now: int
) -> MemberCount | None:
    """Return how many members a segment has, by one read of two rows.

    None where that takes more: another id, a segment that waits to be evaluated, changes of the log that
    this process has not read, or time that may have changed who its members are.
    """
    row = await segment_state.load_count(transaction, workspace, id_)
    if row is None:
        return None
    number, stored, next_change_at, revision, evaluated_at, folded, next_entry = row
    at = max(now, evaluated_at)
    if stored is None or next_change_at <= at or now < evaluated_at - store.MAX_CLOCK_SKEW:
        return None
    changes = store.cached_delta(transaction, workspace, folded, next_entry - 1)
    return None if changes is None else MemberCount(changes.count_members(number, stored), at, revision)
