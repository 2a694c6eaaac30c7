"""The membership relation: one relation from which count, page, members and estimate all come.

A dynamic segment whose membership is kept current is its chunks and the log since; another dynamic one is
its condition, evaluated here and now; a static one is its kept rows.
"""

from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import tree
from diglot.conditions.operands import DAY_OPS
from diglot.model.contacts import Contact
from diglot.model.pages import Sort, Window
from diglot.model.segments import Segment, SegmentType
from diglot.storage import contacts, memberships, scans
from diglot.storage.compile import compile_condition
from diglot.storage.contact_rows import contact_of
from diglot.storage.engine import Transaction
from diglot.storage.statement import ShapedStatement
from diglot.storage.workspaces import State


@dataclass(frozen=True, slots=True)
class Stored:
    """A membership that is kept current: how many members the chunks of a segment hold, in which state."""

    segment: int
    members: int
    state: State


@dataclass(frozen=True, slots=True)
class Relation:
    """Whose members are meant, and when.

    `kept` is the number of a static segment; `stored` is there where the membership is kept current; `narrow`
    leaves those for whom it is true too.
    """

    workspace: int
    node: tree.Node
    kept: int | None
    now: int
    zone: ZoneInfo
    stored: Stored | None = None
    narrow: tree.Node | None = None

    @classmethod
    def of(cls, workspace: int, segment: Segment, now: int, state: State) -> "Relation":
        """Return the relation of a stored segment in a state of its workspace."""
        kept = segment.number if segment.type is SegmentType.STATIC else None
        stored = None if segment.members is None else Stored(segment.number, segment.members, state)
        return cls(workspace, segment.condition.tree, kept, now, state.zone, stored)

    def narrowed(self, condition: tree.Node | None) -> "Relation":
        """Return the relation of the members for whom a condition is true too; None is true of all."""
        # A draft matches nobody, but only where it is the whole of a condition.
        if condition is None or (self.kept is None and tree.is_draft(self.node)):
            return self
        if self.kept is not None:
            return replace(self, narrow=condition)
        return replace(self, node=tree.All((self.node, condition)), stored=None)

    def statement(
        self, purpose: str, transaction: Transaction, sort: Sort | None = None
    ) -> tuple[ShapedStatement, dict[str, Any]]:
        """Return the statement of a purpose and its values, the window's excepted."""
        values: dict[str, Any] = {"workspace": self.workspace}
        backend = transaction.backend
        if self.kept is None:
            statement = scans.scan(purpose, self.node, backend, self.now, self.zone, sort=sort)
            return statement, values | statement.values
        also = None
        if self.narrow is not None:
            also = compile_condition(self.narrow, backend, self.now, self.zone)
        statement = scans.static_scan(purpose, backend, also, sort)
        return statement, values | statement.values | {"segment": self.kept}


async def count(transaction: Transaction, relation: Relation) -> int:
    """Return how many contacts are members."""
    if (stored := relation.stored) is not None:
        changes = await memberships.overlay(transaction, relation.workspace, stored.state)
        return changes.count(stored.segment, stored.members)
    statement, values = relation.statement(scans.COUNT, transaction)
    row = await transaction.row(statement, values)
    assert row is not None
    return int(row[0])


async def page(
    transaction: Transaction, relation: Relation, window: Window, sort: Sort | None = None
) -> list[Contact]:
    """Return a window of the members, newest first or sorted."""
    if (stored := relation.stored) is not None and sort is None:
        found = await _keys(transaction, relation.workspace, stored, window)
        return await contacts.by_keys(transaction, relation.workspace, found)
    statement, values = relation.statement(scans.PAGE, transaction, sort)
    rows = await transaction.rows(statement, values | {"limit": window.limit, "offset": window.offset})
    return [contact_of(row) for row in rows]


async def after(transaction: Transaction, relation: Relation, pk: int, limit: int) -> list[Contact]:
    """Return the next members after a key, oldest first: for walks that change what they pass."""
    statement, values = relation.statement(scans.AFTER, transaction)
    rows = await transaction.rows(statement, values | {"after": pk, "limit": limit})
    return [contact_of(row) for row in rows]


async def ids(transaction: Transaction, relation: Relation, window: Window) -> list[str]:
    """Return the ids of a window of the members, newest first."""
    if (stored := relation.stored) is not None:
        found = await _keys(transaction, relation.workspace, stored, window)
        return await contacts.ids_of_keys(transaction, relation.workspace, found)
    statement, values = relation.statement(scans.IDS, transaction)
    rows = await transaction.rows(statement, values | {"limit": window.limit, "offset": window.offset})
    return [row[0] for row in rows]


async def _keys(transaction: Transaction, workspace: int, stored: Stored, window: Window) -> list[int]:
    changes = await memberships.overlay(transaction, workspace, stored.state)
    return await memberships.keys(transaction, workspace, stored.segment, window, changes)


def remembered(transaction: Transaction, relation: Relation) -> int | None:
    """Return how many contacts are members of what is kept current, where that needs no query."""
    stored = relation.stored
    if stored is None:
        return None
    changes = memberships.remembered(transaction, relation.workspace, stored.state)
    return None if changes is None else changes.count(stored.segment, stored.members)


async def keep(transaction: Transaction, workspace: int, segment: Segment, now: int, zone: ZoneInfo) -> None:
    """Evaluate a static segment's condition once and keep the members."""
    if tree.is_draft(segment.condition.tree):
        return
    statement = scans.scan(scans.KEEP, segment.condition.tree, transaction.backend, now, zone)
    values = statement.values | {"workspace": workspace, "segment": segment.number}
    await transaction.run(statement, values)


_TIMELESS: Final = frozenset(tree.Op) - DAY_OPS


def moves_with_time(node: tree.Node) -> bool:
    """Tell whether a condition can change by the passing of time alone."""
    if isinstance(node, tree.Predicate):
        return node.op not in _TIMELESS
    if isinstance(node, tree.Not):
        return moves_with_time(node.item)
    return any(moves_with_time(item) for item in node.items)
