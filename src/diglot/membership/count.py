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
from diglot.membership import read
from diglot.membership.read import Relation
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
