"""The segments of a workspace that are kept current, as this process knows them, and what asks them.

One is made when the segments change (`segments_version`) and serves every transaction until they do again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property, partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.caches import CacheSlot, SharedCache
from diglot.conditions import tree
from diglot.conditions.contact_view import AttributeView, ContactView
from diglot.conditions.evaluators import Evaluators
from diglot.conditions.fields import ATTRIBUTE_PREFIX, attribute_key
from diglot.conditions.relative_dates import NEVER, RelativeDate, relative_dates_of
from diglot.model.contact_views import PLAIN_FIELDS, view_of
from diglot.model.contacts import Contact
from diglot.model.segments import SegmentType
from diglot.model.webhooks import AudienceRef
from diglot.storage.membership import segment_state
from diglot.storage.sql.engine import Transaction
from diglot.storage.write_unit import WriteUnit

# Sets of changed fields whose segments are remembered for a workspace.
MOST_AFFECTED: Final = 256
# Segments that a process remembers of all workspaces together.
MAX_CACHED_SEGMENTS: Final = 20_000
LISTS_FIELD: Final = "lists"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class NextChanges:
    """When the segments that time moves can change, by segment, at a version of the clock."""

    version: int
    by_segment: Mapping[int, int]
    latest_by_date: Mapping[RelativeDate, int]


@dataclass
class ActiveSegments:
    """The live segments: dynamic ones by their conditions, static ones by number alone.

    `kept` are all that may have members stored: drafts too, which may have had some before. `pending` ones
    are still being evaluated for the first time. `groups` are those that clients know, `list_refs` what
    they know the others as.
    """

    version: int
    zone: ZoneInfo
    conditions: Mapping[int, tree.Node] = field(default_factory=dict)
    static_segments: frozenset[int] = frozenset()
    stored_segments: frozenset[int] = frozenset()
    pending_segments: frozenset[int] = frozenset()
    segment_refs: Mapping[int, AudienceRef] = field(default_factory=dict)
    list_refs: Mapping[int, AudienceRef] = field(default_factory=dict)
    next_changes: NextChanges = field(default_factory=lambda: NextChanges(-1, {}, {}))
    _affected_cache: SharedCache[frozenset[str], frozenset[int]] = field(
        default_factory=lambda: SharedCache(MOST_AFFECTED)
    )
    # What was known of the segments before: its compiled functions are used again where they hold.
    earlier: InitVar["ActiveSegments | None"] = None
    evaluators: Evaluators = field(init=False)

    def __post_init__(self, earlier: "ActiveSegments | None") -> None:
        self.evaluators = Evaluators(
            self.conditions, self.zone, None if earlier is None else earlier.evaluators
        )

    @cached_property
    def by_field(self) -> Mapping[str, frozenset[int]]:
        """The segments that mention each field."""
        found: dict[str, set[int]] = {}
        for number, node in self.conditions.items():
            for name in tree.fields_of(node):
                found.setdefault(name, set()).add(number)
        return {name: frozenset(numbers) for name, numbers in found.items()}

    @cached_property
    def by_relative_date(self) -> Mapping[RelativeDate, frozenset[int]]:
        """The segments that have each edge."""
        found: dict[RelativeDate, set[int]] = {}
        for number, node in self.conditions.items():
            for edge in relative_dates_of(node):
                found.setdefault(edge, set()).add(number)
        return {edge: frozenset(numbers) for edge, numbers in found.items()}

    @cached_property
    def indexed_fields(self) -> frozenset[str]:
        """The fields whose instants time compares."""
        return frozenset(edge.field for edge in self.by_relative_date)

    @property
    def all_dynamic(self) -> frozenset[int]:
        """The numbers of all dynamic segments."""
        return self.evaluators.all_numbers

    def affected_by(self, fields: Iterable[str]) -> frozenset[int]:
        """Return the segments that mention any of the fields."""
        names = frozenset(fields)
        found = self._affected_cache.get(names)
        if found is None:
            found = frozenset().union(*(self.by_field.get(name, ()) for name in names))
            self._affected_cache.put(names, found)
        return found

    def mention_lists(self, numbers: frozenset[int]) -> bool:
        """Tell whether any of the segments asks what lists a contact is on."""
        return not numbers.isdisjoint(self.by_field.get(LISTS_FIELD, frozenset()))

    async def evaluator(
        self, transaction: Transaction, numbers: frozenset[int], times: int
    ) -> Callable[[ContactView | None, int], list[int]]:
        """Return the function that tells which of some segments a contact is in at an instant, ascending.

        It is to be called so many times. Where it has to be compiled, that is done off the event loop.
        """
        own = self.evaluators.find(numbers) is not None or self.evaluators.is_worth_compiling(numbers, times)
        wanted = numbers if own else self.all_dynamic
        evaluate = self.evaluators.find(wanted)
        if evaluate is None:
            evaluate = await transaction.run_off_loop(partial(self.evaluators.compile, wanted))
        if own:
            return lambda subject, at: [] if subject is None else evaluate(subject, at)
        return lambda subject, at: (
            [] if subject is None else [number for number in evaluate(subject, at) if number in numbers]
        )

    def view_contact(self, contact: Contact | None, lists: Sequence[str] = ()) -> ContactView | None:
        """Return a contact as conditions read it; `lists` are the ids of the static lists it is on."""
        return None if contact is None else view_of(contact, lists, self.zone)

    def instant_of(self, contact: Contact | None, name: str) -> int | None:
        """Return the instant that a field of a contact holds, None where it holds none."""
        if contact is None:
            return None
        if (key := attribute_key(name)) is None:
            found: int | None = getattr(contact, name)
            return found
        value = _decode(contact.attributes).get(key)
        return AttributeView(value, self.zone).instant if isinstance(value, str) else None


def changed_fields(before: Contact, after: Contact) -> set[str]:
    """Return the fields that differ, under the names that conditions know them by."""
    names = {name for name in (*PLAIN_FIELDS, "tags") if getattr(before, name) != getattr(after, name)}
    if "status" in names:
        names.add("subscribed")
    if before.attributes != after.attributes:
        was, is_ = _decode(before.attributes), _decode(after.attributes)
        names |= {f"{ATTRIBUTE_PREFIX}{key}" for key in was.keys() | is_.keys() if _differs(was, is_, key)}
    return names


def _differs(was: Mapping[str, Any], is_: Mapping[str, Any], key: str) -> bool:
    # As encoded: 1, 1.0 and true are equal in Python, and three values here.
    return key not in was or key not in is_ or _encode(was[key]) != _encode(is_[key])


# By workspace.
CACHE: Final = CacheSlot[SharedCache[int, ActiveSegments]](
    "active segments", lambda: SharedCache(MAX_CACHED_SEGMENTS, lambda one: len(one.stored_segments) + 1)
)


async def get_active_segments(
    transaction: Transaction, workspace: int, version: int, zone: ZoneInfo
) -> ActiveSegments:
    """Return the live segments of a workspace whose segments have a version."""
    kept = transaction.process_cache.of(CACHE)
    found = kept.get(workspace)
    if found is None or found.version != version or found.zone != zone:
        found = await _read_active_segments(transaction, workspace, version, zone, found)
        kept.put(workspace, found)
    return found


async def _read_active_segments(
    transaction: Transaction, workspace: int, version: int, zone: ZoneInfo, earlier: ActiveSegments | None
) -> ActiveSegments:
    nodes: dict[int, tree.Node] = {}
    pending: set[int] = set()
    statics: set[int] = set()
    groups: dict[int, AudienceRef] = {}
    behind: dict[int, AudienceRef] = {}
    rows = await segment_state.load_all(transaction, workspace)
    for number, id_, name, kind, stored, members, list_, list_id in rows:
        if list_ is None:
            groups[number] = AudienceRef(id_, name)
        elif list_id is not None:
            # A list is called like the segment behind it.
            behind[number] = AudienceRef(list_id, name)
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
    return ActiveSegments(version, zone, nodes, *known, groups, behind, earlier=earlier)


def _decode_node(number: int, stored: str, earlier: ActiveSegments | None) -> tree.Node:
    """Return a stored condition: the object that is known already where it is the same.

    A compiled function is used again only for the very same objects. Conditions are compared as they are
    stored, because 5 and 5.0 are equal in Python, yet two operands.
    """
    known = None if earlier is None else earlier.conditions.get(number)
    return known if known is not None and tree.encode(known) == stored else tree.decode(stored)


async def get_next_changes(unit: WriteUnit, live: ActiveSegments) -> NextChanges:
    """Return when the live segments can change by time alone, as the unit leaves them."""
    version = unit.row.clock_version
    if live.next_changes.version != version:
        rows = await segment_state.load_next_changes(unit.transaction, unit.workspace)
        by_segment: dict[int, int] = {row[0]: row[1] for row in rows}
        highest = {
            edge: max(by_segment.get(number, NEVER) for number in numbers)
            for edge, numbers in live.by_relative_date.items()
        }
        live.next_changes = NextChanges(version, by_segment, highest)
    return live.next_changes
