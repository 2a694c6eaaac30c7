"""Counts members: a scan runs once for each state of a workspace, then the count is cached.

A cached count belongs to a version of the workspace's contacts and is used only if the snapshot shows the
same version, so it never differs from the members read in that snapshot. Conditions with relative dates are
not cached, because their count changes by the passing of time.
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
from diglot.storage.audience import segments
from diglot.storage.membership import segment_state
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState

MAX_COUNT_BYTES: Final = 8_000_000
# The bytes of a count with its key, which have a fixed length.
_BYTES_OF_A_COUNT: Final = 300
_CacheKey = tuple[int, int, str, bytes]


@dataclass(slots=True)
class CountCache:
    """The cached counts of this process."""

    _counts: SharedCache[_CacheKey, int] = field(
        default_factory=lambda: SharedCache(MAX_COUNT_BYTES, lambda *_: _BYTES_OF_A_COUNT)
    )

    def cached_count(self, tenant: Tenant, query: MembershipQuery, state: WorkspaceState) -> int | None:
        """Return the number of members in a state if that needs no statement, or None."""
        if query.stored_answer is not None:
            return read.cached_count(tenant, query)
        if not query.is_static and tree.is_draft(query.condition):
            return 0
        key = _cache_key(tenant, query, state)
        return None if key is None else self._counts.get(key)

    async def count(self, tenant: Tenant, query: MembershipQuery, state: WorkspaceState) -> int:
        """Return the number of members in the state that the transaction sees."""
        count = self.cached_count(tenant, query, state)
        if count is None:
            count = await read.count_members(tenant, query)
            if (key := _cache_key(tenant, query, state)) is not None:
                self._counts.put(key, count)
        return count

    async def count_uncached(self, tenant: Tenant, query: MembershipQuery, state: WorkspaceState) -> int:
        """Return the number of members that a write transaction sees.

        It reads the cache but does not fill it, because the transaction may be rolled back.
        """
        count = self.cached_count(tenant, query, state)
        return await read.count_members(tenant, query) if count is None else count


def _cache_key(tenant: Tenant, query: MembershipQuery, state: WorkspaceState) -> _CacheKey | None:
    if query.stored_answer is not None:
        return None
    node = query.condition if query.restriction is None else query.restriction
    if relative_dates_of(node):
        return None
    members = f"{query.stored.segment} " if query.restriction is not None and query.stored else ""
    # A hash, because a condition may hold thousands of values.
    digest = sha256(f"{members}{tree.encode(node)}".encode()).digest()
    return tenant.workspace, state.contacts_version, query.zone.key, digest


async def find_stored_count(tenant: Tenant, id_: str, now: int) -> MemberCount | None:
    """Return the number of members of a segment by one read of two rows, or None if more is necessary.

    More is necessary for an unknown id, a pending segment, log rows that this process has not read, or if
    time may have changed the members.
    """
    row = await segment_state.load_count(tenant, id_)
    if row is None:
        return None
    number, stored, next_change_at, revision, type_, node, invalid, *state = row
    evaluated_at, compacted_entry, next_entry = state
    at = max(now, evaluated_at)
    if stored is None or next_change_at <= at or now < evaluated_at - store.MAX_CLOCK_SKEW:
        return None
    changes = store.cached_delta(tenant, compacted_entry, next_entry - 1)
    if changes is None:
        return None
    rules = segments.rules_of(type_, node, invalid)
    return MemberCount(changes.count_members(number, stored), at, revision, rules)
