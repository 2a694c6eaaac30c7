"""How many members a segment has: evaluated once for each state of a workspace, then remembered.

A count is remembered with the version of the workspace's contacts that it was made at, and used only where
the same snapshot shows the same version: it can never differ from the members read beside it. Conditions
that move with time alone are evaluated each time.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from diglot.conditions import tree
from diglot.conditions.relative_dates import edges_of
from diglot.membership import read, store
from diglot.membership.read import Relation
from diglot.model.segments import Count
from diglot.storage.membership import segment_state
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import State

MOST: Final = 50_000
_Key = tuple[int, int, str, bytes]


@dataclass(slots=True)
class Counts:
    """The remembered counts of this process."""

    _counts: OrderedDict[_Key, int] = field(default_factory=OrderedDict)

    def remembered(self, transaction: Transaction, relation: Relation, state: State) -> int | None:
        """Return the number of members in a state, where that is known without asking."""
        if relation.kept is not None:
            return read.remembered(transaction, relation)
        if not relation.static and tree.is_draft(relation.node):
            return 0
        key = _key(relation, state)
        return None if key is None else self._counts.get(key)

    async def count(self, transaction: Transaction, relation: Relation, state: State) -> int:
        """Return the number of members in the state that the transaction sees."""
        found = self.remembered(transaction, relation, state)
        if found is None:
            found = await read.count(transaction, relation)
            if (key := _key(relation, state)) is not None:
                self._remember(key, found)
        return found

    async def recount(self, transaction: Transaction, relation: Relation, state: State) -> int:
        """Return the number of members as a transaction that wrote sees it.

        A remembered count may be used, but none kept: what this transaction sees may be undone.
        """
        found = self.remembered(transaction, relation, state)
        return await read.count(transaction, relation) if found is None else found

    def _remember(self, key: _Key, count: int) -> None:
        self._counts[key] = count
        while len(self._counts) > MOST:
            try:
                self._counts.popitem(last=False)
            except KeyError:  # another thread emptied it
                return


def _key(relation: Relation, state: State) -> _Key | None:
    if relation.kept is not None:
        return None
    node = relation.node if relation.narrow is None else relation.narrow
    if edges_of(node):
        return None
    members = f"{relation.stored.segment} " if relation.narrow is not None and relation.stored else ""
    # Of a condition with thousands of values no copy is kept for each state that it is counted in.
    asked = sha256(f"{members}{tree.encode(node)}".encode()).digest()
    return relation.workspace, state.version, relation.zone.key, asked


async def saved_count(transaction: Transaction, workspace: int, id_: str, now: int) -> Count | None:
    """Return how many members a segment has, by one read of two rows.

    None where that takes more: another id, a segment that waits to be evaluated, changes of the log that
    this process has not read, or time that may have changed who its members are.
    """
    row = await segment_state.load_count(transaction, workspace, id_)
    if row is None:
        return None
    number, stored, next_change_at, revision, evaluated_at, folded, next_entry = row
    at = max(now, evaluated_at)
    if stored is None or next_change_at <= at or now < evaluated_at - store.CLOCKS_AGREE:
        return None
    changes = store.known(transaction, workspace, folded, next_entry - 1)
    return None if changes is None else Count(changes.count(number, stored), at, revision)
