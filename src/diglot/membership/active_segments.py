"""The segments of a workspace that are kept current, as this process knows them, and what asks them.

One is made when the segments change (`segments_version`) and serves every transaction until they do again.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property, partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from sqlalchemy import and_, bindparam, select

from diglot.conditions import tree
from diglot.conditions.contact_view import Attribute, Subject
from diglot.conditions.evaluators import Evaluators
from diglot.conditions.fields import ATTRIBUTE_PREFIX, attribute_key
from diglot.conditions.relative_dates import NEVER, Edge, edges_of
from diglot.membership.remembered import recall, remember
from diglot.model.contact_views import PLAIN, subject_of
from diglot.model.contacts import Contact
from diglot.model.segments import SegmentType
from diglot.model.webhooks import Group
from diglot.storage.schema import lists, segments, workspaces
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

# Sets of changed fields whose segments are remembered for a workspace.
MOST_AFFECTED: Final = 256
# Segments that a process remembers of all workspaces together.
MOST_SEGMENTS: Final = 20_000
_REMEMBERED: Final = "live segments"
LISTS: Final = "lists"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_c, _w = segments.c, workspaces.c
_EVERY = Statement(
    select(_c.segment, _c.id, _c.name, _c.type, _c.tree, _c.members, _c.list, lists.c.id)
    .join(lists, and_(lists.c.workspace == _c.workspace, lists.c.list == _c.list), isouter=True)
    .where(_c.workspace == bindparam("workspace"))
    .order_by(_c.segment)
)
# With the version that they are of: who asks may know an older one, of before its own transaction wrote some.
_NEXTS = Statement(
    select(_w.clock_version, _c.segment, _c.next_change_at)
    .join_from(
        workspaces, segments, and_(_c.workspace == _w.workspace, _c.next_change_at < NEVER), isouter=True
    )
    .where(_w.workspace == bindparam("workspace"))
)


@dataclass(slots=True)
class Nexts:
    """When the segments that time moves can change, by segment, at a version of the clock."""

    version: int
    by_segment: Mapping[int, int]
    highest: Mapping[Edge, int]


@dataclass
class Live:
    """The live segments: dynamic ones by their conditions, static ones by number alone.

    `kept` are all that may have members stored: drafts too, which may have had some before. `pending` ones
    are still being evaluated for the first time. `groups` are those that clients know, `dynamic_lists` what
    they know the others as.
    """

    version: int
    zone: ZoneInfo
    nodes: Mapping[int, tree.Node] = field(default_factory=dict)
    statics: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()
    pending: frozenset[int] = frozenset()
    groups: Mapping[int, Group] = field(default_factory=dict)
    dynamic_lists: Mapping[int, Group] = field(default_factory=dict)
    nexts: Nexts = field(default_factory=lambda: Nexts(-1, {}, {}))
    _affected: OrderedDict[frozenset[str], frozenset[int]] = field(default_factory=OrderedDict)
    # What was known of the segments before: its compiled functions are used again where they hold.
    earlier: InitVar["Live | None"] = None
    evaluators: Evaluators = field(init=False)

    def __post_init__(self, earlier: "Live | None") -> None:
        self.evaluators = Evaluators(self.nodes, self.zone, None if earlier is None else earlier.evaluators)

    @cached_property
    def by_field(self) -> Mapping[str, frozenset[int]]:
        """The segments that mention each field."""
        found: dict[str, set[int]] = {}
        for number, node in self.nodes.items():
            for name in tree.fields_of(node):
                found.setdefault(name, set()).add(number)
        return {name: frozenset(numbers) for name, numbers in found.items()}

    @cached_property
    def by_edge(self) -> Mapping[Edge, frozenset[int]]:
        """The segments that have each edge."""
        found: dict[Edge, set[int]] = {}
        for number, node in self.nodes.items():
            for edge in edges_of(node):
                found.setdefault(edge, set()).add(number)
        return {edge: frozenset(numbers) for edge, numbers in found.items()}

    @cached_property
    def watched(self) -> frozenset[str]:
        """The fields whose instants time compares."""
        return frozenset(edge.field for edge in self.by_edge)

    @property
    def everything(self) -> frozenset[int]:
        """The numbers of all dynamic segments."""
        return self.evaluators.everything

    def affected(self, fields: Iterable[str]) -> frozenset[int]:
        """Return the segments that mention any of the fields."""
        names = frozenset(fields)
        found = self._affected.get(names)
        if found is None:
            found = frozenset().union(*(self.by_field.get(name, ()) for name in names))
            self._affected[names] = found
            while len(self._affected) > MOST_AFFECTED:
                self._affected.popitem(last=False)
        return found

    def mention_lists(self, numbers: frozenset[int]) -> bool:
        """Tell whether any of the segments asks what lists a contact is on."""
        return not numbers.isdisjoint(self.by_field.get(LISTS, frozenset()))

    async def evaluator(
        self, transaction: Transaction, numbers: frozenset[int], times: int
    ) -> Callable[[Subject | None, int], list[int]]:
        """Return the function that tells which of some segments a contact is in at an instant, ascending.

        It is to be called so many times. Where it has to be compiled, that is done off the event loop.
        """
        own = self.evaluators.find(numbers) is not None or self.evaluators.pays(numbers, times)
        wanted = numbers if own else self.everything
        evaluate = self.evaluators.find(wanted)
        if evaluate is None:
            evaluate = await transaction.run_off_loop(partial(self.evaluators.compile, wanted))
        if own:
            return lambda subject, at: [] if subject is None else evaluate(subject, at)
        return lambda subject, at: (
            [] if subject is None else [number for number in evaluate(subject, at) if number in numbers]
        )

    def subject(self, contact: Contact | None, lists: Sequence[str] = ()) -> Subject | None:
        """Return a contact as conditions read it; `lists` are the ids of the static lists it is on."""
        return None if contact is None else subject_of(contact, lists, self.zone)

    def instant(self, contact: Contact | None, name: str) -> int | None:
        """Return the instant that a field of a contact holds, None where it holds none."""
        if contact is None:
            return None
        if (key := attribute_key(name)) is None:
            found: int | None = getattr(contact, name)
            return found
        value = _decode(contact.attributes).get(key)
        return Attribute(value, self.zone).instant if isinstance(value, str) else None


def differing(before: Contact, after: Contact) -> set[str]:
    """Return the fields that differ, under the names that conditions know them by."""
    names = {name for name in (*PLAIN, "tags") if getattr(before, name) != getattr(after, name)}
    if "status" in names:
        names.add("subscribed")
    if before.attributes != after.attributes:
        was, is_ = _decode(before.attributes), _decode(after.attributes)
        names |= {f"{ATTRIBUTE_PREFIX}{key}" for key in was.keys() | is_.keys() if _other(was, is_, key)}
    return names


def _other(was: Mapping[str, Any], is_: Mapping[str, Any], key: str) -> bool:
    # As encoded: 1, 1.0 and true are equal in Python, and three values here.
    return key not in was or key not in is_ or _encode(was[key]) != _encode(is_[key])


async def live(transaction: Transaction, workspace: int, version: int, zone: ZoneInfo) -> Live:
    """Return the live segments of a workspace whose segments have a version."""
    kept: OrderedDict[int, Live] = transaction.memory.setdefault(_REMEMBERED, OrderedDict())
    found = recall(kept, workspace)
    if found is None or found.version != version or found.zone != zone:
        found = await _load(transaction, workspace, version, zone, found)
        remember(kept, workspace, found, lambda one: len(one.kept) + 1, MOST_SEGMENTS)
    return found


async def _load(
    transaction: Transaction, workspace: int, version: int, zone: ZoneInfo, earlier: Live | None
) -> Live:
    nodes: dict[int, tree.Node] = {}
    pending: set[int] = set()
    statics: set[int] = set()
    groups: dict[int, Group] = {}
    behind: dict[int, Group] = {}
    rows = await transaction.rows(_EVERY, {"workspace": workspace})
    for number, id_, name, kind, stored, members, list_, list_id in rows:
        if list_ is None:
            groups[number] = Group(id_, name)
        elif list_id is not None:
            # A list is called like the segment behind it.
            behind[number] = Group(list_id, name)
        if kind == SegmentType.STATIC:
            statics.add(number)
            continue
        node = _decode_node(number, stored, earlier)
        if tree.is_draft(node):
            continue
        nodes[number] = node
        if members is None:
            pending.add(number)
    kept = frozenset(row[0] for row in rows)
    known = frozenset(statics), kept, frozenset(pending)
    return Live(version, zone, nodes, *known, groups, behind, earlier=earlier)


def _decode_node(number: int, stored: str, earlier: Live | None) -> tree.Node:
    """Return a stored condition: the object that is known already where it is the same.

    A compiled function is used again only for the very same objects. Conditions are compared as they are
    stored, because 5 and 5.0 are equal in Python, yet two operands.
    """
    known = None if earlier is None else earlier.nodes.get(number)
    return known if known is not None and tree.encode(known) == stored else tree.decode(stored)


async def nexts(transaction: Transaction, workspace: int, live: Live, clock_version: int) -> Nexts:
    """Return when the live segments can change by time alone, at a version of the clock or as it is now."""
    if live.nexts.version != clock_version:
        rows = await transaction.rows(_NEXTS, {"workspace": workspace})
        by_segment = {number: at for _, number, at in rows if number is not None}
        highest = {
            edge: max(by_segment.get(number, NEVER) for number in numbers)
            for edge, numbers in live.by_edge.items()
        }
        live.nexts = Nexts(rows[0][0], by_segment, highest)
    return live.nexts
