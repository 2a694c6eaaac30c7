"""The active segments of a workspace as this process caches them, with the index of their conditions.

Active segments are those whose stored members follow every write. The object is built for one
`segments_version` and serves every transaction until that version changes; the next one reuses the index of
unchanged conditions.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.caches import CacheSlot, SharedCache
from diglot.conditions import tree
from diglot.conditions.analysis.next_changes import NextChanges
from diglot.conditions.analysis.segment_references import static_numbers
from diglot.conditions.bulk.evaluator import BulkEvaluator
from diglot.conditions.computed_fields import SEGMENTS
from diglot.conditions.contact_view import ContactView
from diglot.conditions.differences import Differences, complete_differences, find_differences
from diglot.conditions.events.event_readers import EventReaders, unite
from diglot.conditions.events.field_values import EventFields
from diglot.conditions.events.fields import EventValue
from diglot.conditions.histories.fields import HistoryFields
from diglot.conditions.index.condition_index import ConditionIndex, Selection
from diglot.conditions.relative_dates import RelativeDate, relative_dates_of
from diglot.membership.references.graph import ReferenceGraph, build_graph
from diglot.model.contact_views import NO_SURROUNDINGS, IndexedFields, Surroundings, view_of
from diglot.model.contacts import Contact
from diglot.model.webhooks import AudienceRef
from diglot.storage import segment_steps, workspaces
from diglot.storage.membership import segment_state
from diglot.storage.membership.segment_rows import SegmentRows
from diglot.storage.sql.engine import Transaction
from diglot.storage.tenant import Tenant
from diglot.storage.write_unit import WriteUnit

LISTS_FIELD: Final = "lists"
# A write of many contacts reduces so many conditions by itself, in a few milliseconds.
MAX_UNREDUCED: Final = 4


@dataclass
class ActiveSegments:
    """The active segments: dynamic ones with their conditions, static ones by number only.

    `stored_segments` may have stored members; that includes drafts and invalid segments, which may have had
    a condition before.
    `pending_segments` wait for their first evaluation. `segment_refs` name the segments that clients see,
    `list_refs` the dynamic lists in front of the others. `graph` has the references between all segments.
    """

    version: int
    zone: ZoneInfo
    conditions: Mapping[int, tree.Node] = field(default_factory=dict)
    static_segments: frozenset[int] = frozenset()
    stored_segments: frozenset[int] = frozenset()
    pending_segments: frozenset[int] = frozenset()
    segment_refs: Mapping[int, AudienceRef] = field(default_factory=dict)
    list_refs: Mapping[int, AudienceRef] = field(default_factory=dict)
    graph: ReferenceGraph = field(default_factory=ReferenceGraph)
    next_changes: NextChanges = field(default_factory=lambda: NextChanges(-1, {}, {}, {}, {}))
    # The rows that all of this was read from.
    rows: SegmentRows = field(default_factory=SegmentRows)
    # The previous object, whose index of unchanged conditions is reused, and what differs from it.
    earlier: InitVar["ActiveSegments | None"] = None
    differences: InitVar[Differences | None] = None
    index: ConditionIndex = field(init=False)
    bulk: BulkEvaluator = field(init=False)
    _is_prepared: bool = field(default=False, init=False)

    def __post_init__(self, earlier: "ActiveSegments | None", differences: Differences | None) -> None:
        if earlier is None:
            self.index = ConditionIndex(self.conditions, self.zone)
            self.bulk = BulkEvaluator(self.conditions, self.zone)
            return
        differences = differences or find_differences(earlier.conditions, self.conditions)
        self.index = ConditionIndex(self.conditions, self.zone, earlier.index, differences)
        self.bulk = BulkEvaluator(self.conditions, self.zone, earlier.bulk, differences)
        changed = differences.added | differences.removed
        for index in ("by_field", "by_relative_date"):
            if index in earlier.__dict__:
                names_of, segments = _INDEXES[index], earlier.__dict__[index]
                self.__dict__[index] = tree.update_index(
                    segments, earlier.conditions, self.conditions, changed, names_of
                )

    @cached_property
    def by_field(self) -> Mapping[str, Sequence[int]]:
        """The segments that mention each field."""
        return tree.build_index(self.conditions, tree.fields_of)

    @cached_property
    def by_relative_date(self) -> Mapping[RelativeDate, Sequence[int]]:
        """The segments that have each relative date."""
        return tree.build_index(self.conditions, relative_dates_of)

    @cached_property
    def dates_of_field(self) -> Mapping[str, Sequence[RelativeDate]]:
        """The relative dates of each field, which needs an instant index because of them."""
        dates: dict[str, list[RelativeDate]] = {}
        for relative_date in self.by_relative_date:
            dates.setdefault(relative_date.field, []).append(relative_date)
        return dates

    @cached_property
    def indexed_fields(self) -> IndexedFields:
        """The fields that need an instant index."""
        return IndexedFields(self.dates_of_field, self.zone)

    @property
    def weight(self) -> int:
        """An estimate of the bytes that this object holds."""
        return self.rows.weight

    @cached_property
    def all_dynamic(self) -> frozenset[int]:
        """The numbers of all dynamic segments."""
        return frozenset(self.conditions)

    def affected_by(self, field_name: str) -> frozenset[int]:
        """Return the segments that mention a field."""
        return frozenset(self.by_field.get(field_name, ()))

    def mention_lists(self, numbers: frozenset[int]) -> bool:
        """Tell whether the condition of any of the segments mentions lists."""
        return not numbers.isdisjoint(self.by_field.get(LISTS_FIELD, ()))

    def find_static_references(self, numbers: frozenset[int]) -> frozenset[int]:
        """Return the static segments that the conditions of some segments name."""
        naming = numbers.intersection(self.by_field.get(SEGMENTS, ()))
        return static_numbers(self.conditions[number] for number in naming)

    @cached_property
    def read_rows_only(self) -> bool:
        """Whether the conditions read nothing beside rows of contacts: no lists, events, static segments."""
        names = self.readers_of_events.find_names(self.all_dynamic)
        reads_events = bool(names.states or names.histories)
        beside = reads_events or self.mention_lists(self.all_dynamic)
        return not beside and not self.find_static_references(self.all_dynamic)

    async def select(self, transaction: Transaction) -> Selection:
        """Return the dynamic segments as an index to ask; it is built off the event loop."""
        selection = self.index.find()
        return await transaction.run_off_loop(self.index.build) if selection is None else selection

    async def bulk_evaluator(self, transaction: Transaction) -> BulkEvaluator:
        """Return the dynamic segments for blocks of contacts, reduced off the event loop."""
        if self.bulk.unreduced:
            await transaction.run_off_loop(self.bulk.reduce)
        return self.bulk

    @property
    def is_prepared(self) -> bool:
        """Whether `prepare` has little to do; once all conditions are indexed, that stays so."""
        if self._is_prepared:
            return True
        is_prepared = self.index.is_settled and len(self.bulk.unreduced) <= MAX_UNREDUCED
        _, missing = self.index.indexed
        self._is_prepared = is_prepared and not missing
        return is_prepared

    def prepare(self) -> None:
        """Index all conditions and their fields; this may take seconds."""
        self.index.settle()
        self.bulk.reduce()
        _ = self.by_field, self.dates_of_field

    def view_contact(
        self, contact: Contact | None, around: Surroundings = NO_SURROUNDINGS
    ) -> ContactView | None:
        """Return the view of a contact that conditions read."""
        return None if contact is None else view_of(contact, around, self.zone)

    @cached_property
    def event_fields(self) -> EventFields:
        """The computed fields of events that conditions have."""
        return EventFields(self.by_field)

    @cached_property
    def history_fields(self) -> HistoryFields:
        """The fields of single events that conditions have."""
        return HistoryFields(self.by_field, self.zone)

    @cached_property
    def readers_of_events(self) -> EventReaders:
        """The segments that read events, by the names of the events."""
        of_states, of_histories, find = self.event_fields, self.history_fields, self.by_field.__getitem__
        return EventReaders(
            {name: unite(map(find, fields)) for name, fields in of_states.by_event.items()},
            {name: unite(map(find, of_histories.fields_of(name))) for name in of_histories.by_event},
        )

    def instants_of(
        self, contact: Contact | None, around: Surroundings = NO_SURROUNDINGS, *, in_attributes: bool = True
    ) -> dict[str, EventValue]:
        """Return what the instant indexes have of a contact; that of custom attributes can be left out."""
        if contact is None or not self.dates_of_field:
            return {}
        return self.indexed_fields.instants_of(contact, around, in_attributes=in_attributes)


_INDEXES: Final[Mapping[str, Callable[[tree.Node], Collection[Any]]]] = {
    "by_field": tree.fields_of,
    "by_relative_date": relative_dates_of,
}


# By workspace.
CACHE: Final = CacheSlot[SharedCache[int, ActiveSegments]](
    "active segments", 0.625, lambda size: SharedCache(size, lambda _, active: active.weight)
)


async def get_active_segments(tenant: Tenant, version: int, zone: ZoneInfo) -> ActiveSegments:
    """Return the active segments of a workspace at a version, from the process cache if possible."""
    cache = tenant.transaction.process_cache.of(CACHE)
    active = cache.get(tenant.workspace)
    if active is None or active.version != version or active.zone != zone:
        active = await _load_active_segments(tenant, version, zone, active)
        cache.put(tenant.workspace, active)
    return active


def find_no_segments(tenant: Tenant, zone: ZoneInfo) -> ActiveSegments:
    """Return the active segments of a workspace that never had one, without a statement."""
    cache = tenant.transaction.process_cache.of(CACHE)
    active = cache.get(tenant.workspace)
    if active is None or active.version or active.zone != zone:
        active = ActiveSegments(0, zone)
        cache.put(tenant.workspace, active)
    return active


async def _load_active_segments(
    tenant: Tenant, version: int, zone: ZoneInfo, earlier: ActiveSegments | None
) -> ActiveSegments:
    known = SegmentRows() if earlier is None else earlier.rows
    changed = await _find_changed(tenant, earlier, version)
    if changed is None:
        now, added = known.replace(known.stored, await segment_state.load_all(tenant))
    else:
        now, added = known.replace(changed, await segment_state.load_some(tenant, changed))
    differences = None if earlier is None else complete_differences(known.conditions, now.conditions, added)
    return ActiveSegments(
        *(version, zone, now.conditions, frozenset(now.static), frozenset(now.stored)),
        *(frozenset(now.pending), now.segment_refs, now.list_refs, build_graph(now.ids, now.named)),
        rows=now,
        earlier=earlier,
        differences=differences,
    )


async def _find_changed(
    tenant: Tenant, earlier: ActiveSegments | None, version: int
) -> frozenset[int] | None:
    """Return the segments that changed since the cached version, or None if all have to be loaded."""
    if earlier is None:
        return None
    steps = await workspaces.load_segments_steps(tenant)
    return segment_steps.find_changed(steps, earlier.version, version)


async def get_next_changes(unit: WriteUnit, active_segments: ActiveSegments) -> NextChanges:
    """Return the next changes by time of the active segments, as the write unit sees them."""
    version = unit.row.clock_version
    if active_segments.next_changes.version != version:
        by_segment = {row[0]: row[1] for row in await segment_state.load_next_changes(unit)}
        dates = active_segments.by_relative_date, active_segments.dates_of_field
        active_segments.next_changes = NextChanges.build(version, by_segment, *dates)
    return active_segments.next_changes


def note_lowered(
    unit: WriteUnit,
    active_segments: ActiveSegments,
    lowered: Mapping[int, int],
    dates: Collection[RelativeDate],
) -> None:
    """Note next changes that the write unit has lowered because of some relative dates.

    Loading those of all segments again would take the next write milliseconds. If the unit is rolled back,
    no other one sees its version of the clock.
    """
    known, segments = active_segments.next_changes, active_segments.by_relative_date
    version, of_field = unit.row.clock_version, active_segments.dates_of_field
    active_segments.next_changes = known.lower(version, lowered, dates, segments, of_field)
