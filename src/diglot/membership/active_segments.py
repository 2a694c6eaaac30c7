"""The active segments of a workspace as this process caches them, with the functions that evaluate them.

Active segments are those whose stored members follow every write. The object is built for one
`segments_version` and serves every transaction until that version changes; a rebuild reuses the compiled
functions of unchanged conditions. Measured with 1,000 segments of three rules and one contact: generated
functions take 26 us, closures 234 us.
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
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

# Cached sets of changed fields, for each workspace.
MOST_AFFECTED: Final = 256
# Segments that a process caches, for all workspaces together.
MAX_CACHED_SEGMENTS: Final = 20_000
LISTS_FIELD: Final = "lists"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class NextChanges:
    """The next change by time of each segment with relative dates, at a version of the workspace clock."""

    version: int
    by_segment: Mapping[int, int]
    latest_by_date: Mapping[RelativeDate, int]


@dataclass
class ActiveSegments:
    """The active segments: dynamic ones with their conditions, static ones by number only.

    `stored_segments` may have stored members; that includes drafts, which may have had a condition before.
    `pending_segments` wait for their first evaluation. `segment_refs` name the segments that clients see,
    `list_refs` the dynamic lists in front of the others.
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
    # The previous object; its compiled functions are reused for unchanged conditions.
    earlier: InitVar["ActiveSegments | None"] = None
    evaluators: Evaluators = field(init=False)

    def __post_init__(self, earlier: "ActiveSegments | None") -> None:
        self.evaluators = Evaluators(
            self.conditions, self.zone, None if earlier is None else earlier.evaluators
        )

    @cached_property
    def by_field(self) -> Mapping[str, frozenset[int]]:
        """The segments that mention each field."""
        segments: dict[str, set[int]] = {}
        for number, node in self.conditions.items():
            for name in tree.fields_of(node):
                segments.setdefault(name, set()).add(number)
        return {name: frozenset(numbers) for name, numbers in segments.items()}

    @cached_property
    def by_relative_date(self) -> Mapping[RelativeDate, frozenset[int]]:
        """The segments that have each relative date."""
        segments: dict[RelativeDate, set[int]] = {}
        for number, node in self.conditions.items():
            for relative_date in relative_dates_of(node):
                segments.setdefault(relative_date, set()).add(number)
        return {relative_date: frozenset(numbers) for relative_date, numbers in segments.items()}

    @cached_property
    def indexed_fields(self) -> frozenset[str]:
        """The fields that need an instant index, because a relative date compares them."""
        return frozenset(relative_date.field for relative_date in self.by_relative_date)

    @property
    def all_dynamic(self) -> frozenset[int]:
        """The numbers of all dynamic segments."""
        return self.evaluators.all_numbers

    def affected_by(self, fields: Iterable[str]) -> frozenset[int]:
        """Return the segments that mention any of the fields."""
        names = frozenset(fields)
        affected = self._affected_cache.get(names)
        if affected is None:
            affected = frozenset().union(*(self.by_field.get(name, ()) for name in names))
            self._affected_cache.put(names, affected)
        return affected

    def mention_lists(self, numbers: frozenset[int]) -> bool:
        """Tell whether the condition of any of the segments mentions lists."""
        return not numbers.isdisjoint(self.by_field.get(LISTS_FIELD, frozenset()))

    async def evaluator(
        self, transaction: Transaction, numbers: frozenset[int], times: int
    ) -> Callable[[ContactView | None, int], list[int]]:
        """Return a function from contact and instant to the numbers of the segments it matches, ascending.

        `times` is the expected number of calls: it decides whether a function for just these segments is
        worth compiling. Compilation runs off the event loop.
        """
        is_exact = self.evaluators.find(numbers) is not None or self.evaluators.is_worth_compiling(
            numbers, times
        )
        compiled_numbers = numbers if is_exact else self.all_dynamic
        evaluate = self.evaluators.find(compiled_numbers)
        if evaluate is None:
            evaluate = await transaction.run_off_loop(partial(self.evaluators.compile, compiled_numbers))
        if is_exact:
            return lambda subject, at: [] if subject is None else evaluate(subject, at)
        return lambda subject, at: (
            [] if subject is None else [number for number in evaluate(subject, at) if number in numbers]
        )

    def view_contact(self, contact: Contact | None, lists: Sequence[str] = ()) -> ContactView | None:
        """Return the view of a contact that conditions read; `lists` are the ids of its static lists."""
        return None if contact is None else view_of(contact, lists, self.zone)

    def instant_of(self, contact: Contact | None, name: str) -> int | None:
        """Return the instant in a field of a contact, or None."""
        if contact is None:
            return None
        if (key := attribute_key(name)) is None:
            instant: int | None = getattr(contact, name)
            return instant
        value = _decode(contact.attributes).get(key)
        return AttributeView(value, self.zone).instant if isinstance(value, str) else None


def changed_fields(before: Contact, after: Contact) -> set[str]:
    """Return the fields that differ, by the names that conditions use."""
    names = {name for name in (*PLAIN_FIELDS, "tags") if getattr(before, name) != getattr(after, name)}
    if "status" in names:
        names.add("subscribed")
    if before.attributes != after.attributes:
        old, new = _decode(before.attributes), _decode(after.attributes)
        names |= {f"{ATTRIBUTE_PREFIX}{key}" for key in old.keys() | new.keys() if _differs(old, new, key)}
    return names


def _differs(old: Mapping[str, Any], new: Mapping[str, Any], key: str) -> bool:
    # Compare the encoded values, because 1, 1.0 and true are equal in Python but three values here.
    return key not in old or key not in new or _encode(old[key]) != _encode(new[key])


# By workspace.
CACHE: Final = CacheSlot[SharedCache[int, ActiveSegments]](
    "active segments",
    lambda: SharedCache(MAX_CACHED_SEGMENTS, lambda active: len(active.stored_segments) + 1),
)


async def get_active_segments(tenant: Tenant, version: int, zone: ZoneInfo) -> ActiveSegments:
    """Return the active segments of a workspace at a version, from the process cache if possible."""
    cache = tenant.transaction.process_cache.of(CACHE)
    active = cache.get(tenant.workspace)
    if active is None or active.version != version or active.zone != zone:
        active = await _load_active_segments(tenant, version, zone, active)
        cache.put(tenant.workspace, active)
    return active


async def _load_active_segments(
    tenant: Tenant, version: int, zone: ZoneInfo, earlier: ActiveSegments | None
) -> ActiveSegments:
    nodes: dict[int, tree.Node] = {}
    pending: set[int] = set()
    static: set[int] = set()
    segment_refs: dict[int, AudienceRef] = {}
    list_refs: dict[int, AudienceRef] = {}
    rows = await segment_state.load_all(tenant)
    for number, id_, name, kind, stored, members, list_, list_id in rows:
        if list_ is None:
            segment_refs[number] = AudienceRef(id_, name)
        elif list_id is not None:
            # A dynamic list has the same name as the segment behind it.
            list_refs[number] = AudienceRef(list_id, name)
        if kind == SegmentType.STATIC:
            static.add(number)
            continue
        node = _decode_node(number, stored, earlier)
        if tree.is_draft(node):
            continue
        nodes[number] = node
        if members is None:
            pending.add(number)
    stored_segments = frozenset(row[0] for row in rows)
    sets = frozenset(static), stored_segments, frozenset(pending)
    return ActiveSegments(version, zone, nodes, *sets, segment_refs, list_refs, earlier=earlier)


def _decode_node(number: int, stored: str, earlier: ActiveSegments | None) -> tree.Node:
    """Decode a stored condition, or return the object of the previous version if it did not change.

    Compiled functions are reused only for identical objects. Conditions are compared in their stored form,
    because 5 and 5.0 are equal in Python but two operands here.
    """
    previous = None if earlier is None else earlier.conditions.get(number)
    return previous if previous is not None and tree.encode(previous) == stored else tree.decode(stored)


async def get_next_changes(unit: WriteUnit, active_segments: ActiveSegments) -> NextChanges:
    """Return the next changes by time of the active segments, as the write unit sees them."""
    version = unit.row.clock_version
    if active_segments.next_changes.version != version:
        rows = await segment_state.load_next_changes(unit)
        by_segment: dict[int, int] = {row[0]: row[1] for row in rows}
        latest_by_date = {
            relative_date: max(by_segment.get(number, NEVER) for number in numbers)
            for relative_date, numbers in active_segments.by_relative_date.items()
        }
        active_segments.next_changes = NextChanges(version, by_segment, latest_by_date)
    return active_segments.next_changes
