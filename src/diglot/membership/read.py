"""The membership relation: one relation from which count, page, members and estimate all come.

A segment is its chunks and the log since, and what time did since then; a condition that is not a segment's,
or one that is not evaluated yet, is asked of the contacts here and now.
"""

from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from pyroaring import BitMap

from diglot.conditions import tree
from diglot.conditions.relative_dates import edges_of
from diglot.membership import passage_of_time, store
from diglot.membership.active_segments import live
from diglot.membership.log_delta import Overlay, Row
from diglot.model.contacts import Contact
from diglot.model.pages import Sort, Window
from diglot.model.segments import Segment, SegmentType
from diglot.storage.contacts import queries, scans
from diglot.storage.contacts.rows import contact_of
from diglot.storage.membership import chunks
from diglot.storage.predicates.sql_compiler import compile_condition
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import ShapedStatement
from diglot.storage.workspaces import State


@dataclass(frozen=True, slots=True)
class Stored:
    """A membership that is kept: how many members the chunks of a segment hold, in which state.

    `due` says that time may have changed it since.
    """

    segment: int
    members: int
    state: State
    due: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """Whose members are meant, and when: at `now`, which what is stored may have a little later than asked.

    `stored` is there where the membership is kept; a `static` one has no other. `narrow` leaves those of a
    static one for whom it is true too.
    """

    workspace: int
    node: tree.Node
    now: int
    zone: ZoneInfo
    static: bool = False
    stored: Stored | None = None
    narrow: tree.Node | None = None

    @classmethod
    def of(cls, workspace: int, segment: Segment, now: int, state: State) -> "Relation":
        """Return the relation of a stored segment in a state of its workspace."""
        now = read_at(state, now)
        static = segment.type is SegmentType.STATIC
        stored = None
        if segment.members is not None and not _is_ahead(segment, now, state):
            due = segment.next_change_at <= now
            stored = Stored(segment.number, segment.members, state, due)
        return cls(workspace, segment.condition.tree, now, state.zone, static, stored)

    def narrowed(self, condition: tree.Node | None) -> "Relation":
        """Return the relation of the members for whom a condition is true too; None is true of all."""
        # A draft matches nobody, but only where it is the whole of a condition.
        if condition is None or (not self.static and tree.is_draft(self.node)):
            return self
        if self.static:
            return replace(self, narrow=condition)
        return replace(self, node=tree.All((self.node, condition)), stored=None)

    @property
    def kept(self) -> Stored | None:
        """What is stored, where that is the whole answer."""
        return self.stored if self.narrow is None else None


def is_set_back(evaluated_at: int, now: int) -> bool:
    """Tell whether the clock was set back; clocks of several servers agree by a minute or so."""
    return now < evaluated_at - store.CLOCKS_AGREE


def read_at(state: State, now: int) -> int:
    """Return the instant of what a read shows: what is stored may be a little ahead of this clock."""
    return now if is_set_back(state.evaluated_at, now) else max(now, state.evaluated_at)


def _is_ahead(segment: Segment, now: int, state: State) -> bool:
    """Tell whether a stored membership is one of the future."""
    if segment.type is SegmentType.STATIC or not is_set_back(state.evaluated_at, now):
        return False
    return bool(edges_of(segment.condition.tree))


async def _statement(
    transaction: Transaction, relation: Relation, purpose: str, sort: Sort | None = None
) -> tuple[ShapedStatement, dict[str, Any]]:
    """Return the statement of a purpose and its values, the window's excepted."""
    values: dict[str, Any] = {"workspace": relation.workspace}
    backend = transaction.backend
    if not relation.static:
        statement = scans.scan(purpose, relation.node, backend, relation.now, relation.zone, sort=sort)
        return statement, values | statement.values
    also = None
    if relation.narrow is not None:
        also = compile_condition(relation.narrow, backend, relation.now, relation.zone)
    statement = scans.static_scan(purpose, backend, also, sort)
    stored = relation.stored
    assert stored is not None
    found = await store.members(transaction, relation.workspace, stored.segment, stored.state)
    return statement, values | statement.values | {"keys": backend.encode_list(list(found))}


async def _overlay(transaction: Transaction, relation: Relation, stored: Stored) -> Overlay | None:
    """Return what changed of a stored membership up to now; None where evaluating it costs less."""
    changes = await store.overlay(transaction, relation.workspace, stored.state)
    if not stored.due:
        return changes
    state = stored.state
    known = await live(transaction, relation.workspace, state.segments_version, state.zone)
    since, until = state.evaluated_at, max(relation.now, state.evaluated_at)
    numbers = frozenset({stored.segment})
    passed = await passage_of_time.moved(transaction, relation.workspace, known, numbers, since, until)
    if passed.others:
        return None
    return changes.then([Row(state.logged, whole=False, changes=passed.changes)], state.logged)


async def count(transaction: Transaction, relation: Relation) -> int:
    """Return how many contacts are members."""
    if (stored := relation.kept) is not None:
        changes = await _overlay(transaction, relation, stored)
        if changes is not None:
            return changes.count(stored.segment, stored.members)
    statement, values = await _statement(transaction, relation, scans.COUNT)
    row = await transaction.row(statement, values)
    assert row is not None
    return int(row[0])


async def has(transaction: Transaction, relation: Relation, pk: int) -> bool:
    """Tell whether the contact of a key is a member."""
    if (stored := relation.kept) is not None:
        changes = await _overlay(transaction, relation, stored)
        if changes is not None:
            chunk = chunks.chunk_of(pk)
            held = await chunks.one(transaction, relation.workspace, stored.segment, chunk)
            return pk in changes.apply(stored.segment, held, chunk)
    statement, values = await _statement(transaction, relation, scans.HAS)
    return await transaction.row(statement, values | {"pk": pk}) is not None


async def page(
    transaction: Transaction, relation: Relation, window: Window, sort: Sort | None = None
) -> list[Contact]:
    """Return a window of the members, newest first or sorted."""
    if sort is None and (found := await _keys(transaction, relation, window)) is not None:
        return await queries.by_keys(transaction, relation.workspace, found)
    statement, values = await _statement(transaction, relation, scans.PAGE, sort)
    rows = await transaction.rows(statement, values | {"limit": window.limit, "offset": window.offset})
    return [contact_of(row) for row in rows]


async def after(transaction: Transaction, relation: Relation, pk: int, limit: int) -> list[Contact]:
    """Return the next members after a key, oldest first: for walks that change what they pass."""
    statement, values = await _statement(transaction, relation, scans.AFTER)
    rows = await transaction.rows(statement, values | {"after": pk, "limit": limit})
    return [contact_of(row) for row in rows]


async def ids(transaction: Transaction, relation: Relation, window: Window) -> list[str]:
    """Return the ids of a window of the members, newest first."""
    if (found := await _keys(transaction, relation, window)) is not None:
        return await queries.ids_of_keys(transaction, relation.workspace, found)
    statement, values = await _statement(transaction, relation, scans.IDS)
    rows = await transaction.rows(statement, values | {"limit": window.limit, "offset": window.offset})
    return [row[0] for row in rows]


async def members(transaction: Transaction, relation: Relation) -> BitMap:
    """Return the keys of all members of what is kept, or of a condition."""
    if (stored := relation.kept) is not None:
        changes = await _overlay(transaction, relation, stored)
        if changes is not None:
            entered, left = changes.change(stored.segment)
            held = await chunks.every(transaction, relation.workspace, stored.segment)
            return (held - left) | entered
    return await evaluated(transaction, relation.workspace, relation.node, relation.now, relation.zone)


async def evaluated(
    transaction: Transaction, workspace: int, node: tree.Node, now: int, zone: ZoneInfo
) -> BitMap:
    """Return the keys of all contacts for whom a condition is true, by one scan."""
    statement = scans.scan(scans.KEYS, node, transaction.backend, now, zone)
    rows = await transaction.rows(statement, statement.values | {"workspace": workspace})
    return transaction.backend.gathered(rows)


async def _keys(transaction: Transaction, relation: Relation, window: Window) -> list[int] | None:
    """Return the keys of a window of what is kept, where something is."""
    if (stored := relation.kept) is None:
        return None
    changes = await _overlay(transaction, relation, stored)
    if changes is None:
        return None
    return await store.keys(transaction, relation.workspace, stored.segment, window, changes)


def remembered(transaction: Transaction, relation: Relation) -> int | None:
    """Return how many contacts are members of what is kept, where that needs no query."""
    stored = relation.kept
    if stored is None or stored.due:
        return None
    changes = store.remembered(transaction, relation.workspace, stored.state)
    return None if changes is None else changes.count(stored.segment, stored.members)
