"""Rules that name segments: what they mean, and what follows when such a segment changes (semantics 28, 32).

All is decided under the lock of the workspace, so two changes cannot close a cycle together.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from diglot.conditions import tree
from diglot.conditions.analysis.segment_references import NOBODY, Meaning, expand, referenced_ids
from diglot.conditions.check import MAX_PREDICATES, MAX_VALUES
from diglot.conditions.computed_fields import SEGMENTS
from diglot.errors import Fault, InUse, InvalidInput
from diglot.membership import evaluate
from diglot.membership.active_segments import get_active_segments
from diglot.membership.evaluate import EvaluatedSegment
from diglot.membership.references.graph import MAX_LEVELS, ReferenceGraph
from diglot.membership.writer import MembershipWriter, load_active_segments
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.segments import DeletedReference, Segment, SegmentType, SentReferences
from diglot.model.workspaces import WorkspaceLimits
from diglot.service.audience.rules.counts import add_rules, count_rules
from diglot.service.audience.rules.dependents import Dependent, describe_dependents
from diglot.storage.audience import mentioning_segments, named_segments, segments
from diglot.storage.tenant import Tenant
from diglot.storage.workspaces import WorkspaceState
from diglot.storage.write_unit import WriteUnit

_UNKNOWN: Final = "No segment has this id"
_TOO_LARGE: Final = (
    f"With those of the segments that it references, a condition has at most {MAX_PREDICATES} rules and "
    f"{MAX_VALUES} list values in all"
)
_TOO_DEEP: Final = f"References between segments have at most {MAX_LEVELS} levels"


@dataclass(frozen=True, slots=True)
class Expansion:
    """What rules that name segments mean: a condition, and what makes them invalid.

    The condition of invalid rules is not evaluated. Nobody is in its segments without a meaning, so it still
    tells what the other rules exclude. Rules that name no segment have neither. `meanings` are those of the
    valid segments, by id.
    """

    node: tree.Node | None = None
    broken: tuple[DeletedReference, ...] = ()
    meanings: Mapping[str, Meaning] = field(default_factory=dict)

    @property
    def is_too_large(self) -> bool:
        """Whether the condition has more rules or values than one may have."""
        if self.node is None:
            return False
        values = sum(
            len(one.operand.values)
            for predicate in tree.predicates_of(self.node)
            for one in (predicate, *([] if predicate.where is UNSET else tree.predicates_of(predicate.where)))
            if isinstance(one.operand, tree.Values)
        )
        return tree.count_rules(self.node) > MAX_PREDICATES or values > MAX_VALUES

    def evaluated(self, rules: tree.Node) -> tree.Node:
        """Return the condition that decides who meets the rules; a draft if they are invalid."""
        return tree.DRAFT if self.broken else rules if self.node is None else self.node

    def expand_rule(self, rule: tree.Node) -> tree.Node:
        """Return what one of the rules means alone; a draft if it names an invalid segment."""
        is_valid = self.meanings.keys() >= set(referenced_ids(rule))
        return expand(rule, self.meanings) if is_valid else tree.DRAFT

    def applied_to(self, segment: Segment) -> Segment:
        """Return a segment whose rules have this meaning; other reasons why it is invalid stay."""
        others = (one for one in segment.deleted_references if one.field != SEGMENTS)
        return replace(segment, expanded=self.node, deleted_references=(*others, *self.broken))


async def expand_unsaved(
    tenant: Tenant,
    node: tree.Node,
    sent: SentReferences,
    state: WorkspaceState,
    replaced: Segment | None = None,
) -> Expansion:
    """Return the meaning of rules that are not stored; raise `InvalidInput` as `expand_sent` does."""
    if not referenced_ids(node):
        return Expansion()
    version, graph = state.segments_version, ReferenceGraph()
    if version:
        graph = (await get_active_segments(tenant, version, state.zone)).graph
    return await expand_sent(tenant, node, sent, graph, replaced)


async def expand_sent(
    tenant: Tenant, node: tree.Node, sent: SentReferences, graph: ReferenceGraph, own: Segment | None
) -> Expansion:
    """Return the meaning of rules that were sent, those of a segment `own` if it exists already.

    Raise `InvalidInput` for unknown ids, a cycle, too many levels or too many rules, each with its path.
    """
    ids = referenced_ids(node)
    if not ids:
        return Expansion()
    sent = sent or tuple((id_, ()) for id_ in ids)
    found = await named_segments.find_each(tenant, ids)
    unknown = [Fault(path, _UNKNOWN) for id_, path in sent if id_ not in found]
    if unknown:
        raise InvalidInput(unknown)
    if own is not None:
        await _refuse_cycle(tenant, sent, graph, own, found)
    _refuse_depth(sent, graph, own, found)
    expansion = _expand(node, found)
    if expansion.is_too_large:
        raise InvalidInput.at(sent[0][1], _TOO_LARGE)
    return expansion


async def _refuse_cycle(
    tenant: Tenant, sent: SentReferences, graph: ReferenceGraph, own: Segment, found: Mapping[str, Segment]
) -> None:
    for id_, path in sent:
        chain = graph.find_chain(own.number, [found[id_].number])
        if chain is not None:
            by_number = await named_segments.load_each(tenant, chain)
            shown = " -> ".join(map(_describe, (own, *(by_number[number] for number in chain))))
            raise InvalidInput.at(path, f"The references would form a cycle: {shown}")


def _refuse_depth(
    sent: SentReferences, graph: ReferenceGraph, own: Segment | None, found: Mapping[str, Segment]
) -> None:
    above = 1 if own is None else graph.height_of(own.number)
    for id_, path in sent:
        if graph.level_of(found[id_].number) + above > MAX_LEVELS:
            raise InvalidInput.at(path, _TOO_DEEP)


def _describe(segment: Segment) -> str:
    return f"{segment.id} ({segment.name})"


def _expand(node: tree.Node, found: Mapping[str, Segment]) -> Expansion:
    broken = tuple(
        DeletedReference(SEGMENTS, one.id, one.name) for one in found.values() if _has_no_meaning(one)
    )
    meanings = {id_: _meaning_of(one) for id_, one in found.items() if not _has_no_meaning(one)}
    lost = {one.value: NOBODY for one in broken}
    return Expansion(expand(node, {**meanings, **lost}), broken, meanings)


def _has_no_meaning(segment: Segment) -> bool:
    return segment.type is SegmentType.DYNAMIC and tree.is_draft(segment.evaluated_tree)


def _meaning_of(segment: Segment) -> Meaning:
    return segment.number if segment.type is SegmentType.STATIC else segment.evaluated_tree


async def _expand_again(unit: WriteUnit, number: int) -> tuple[Segment, Expansion]:
    """Return a segment, and the meaning of its rules after a segment changed that they name."""
    found = await segments.find_by_number_with_state(unit, number)
    assert found is not None
    stored, node = found[0], found[0].condition.tree
    expansion = _expand(node, await named_segments.find_each(unit, referenced_ids(node)))
    return stored, expansion


async def follow_segment(
    writer: MembershipWriter, changed: EvaluatedSegment, limits: WorkspaceLimits
) -> None:
    """Expand and evaluate all segments again that depend on one whose rules changed.

    Static ones stay as they are. Raise `LimitReached` for too many rules in the workspace, `InvalidInput` if
    a dependent would have too many.
    """
    graph = writer.active_segments.graph
    moved = [] if changed.change is None else [changed.change]
    affected = {changed.segment.number}
    for number in graph.all_dependents_of(changed.segment.number):
        through = [named for named in graph.references[number] if named in affected]
        stored, expansion = await _expand_again(writer.unit, number)
        # What references a static segment does not change with the rules of that one.
        if stored.type is SegmentType.STATIC or not through:
            continue
        if expansion.is_too_large:
            raise InvalidInput.at((), f"The segment {_describe(stored)} references this one. {_TOO_LARGE}")
        dependent = replace(expansion.applied_to(stored), last_calculated_at=writer.unit.now)
        add_rules(writer.unit, count_rules(dependent) - count_rules(stored), limits)
        await segments.update_segment(writer.unit, dependent)
        cause = Cause.SEGMENT_INVALID if dependent.deleted_references else Cause.SEGMENT_CHANGED
        origin = ChangeOrigin(writer.effective_now, cause, through[0])
        change = await evaluate.evaluate_dependent(writer, dependent, origin, moved)
        affected.add(number)
        moved += [] if change is None else [change]
    if len(affected) > 1:
        await evaluate.drop_unused_indexes(writer.unit)


async def expand_dependents(unit: WriteUnit, numbers: AbstractSet[int]) -> set[int]:
    """Expand some segments again, and those that depend on them: the rules say the same in another form.

    Return those that were expanded.
    """
    graph = (await load_active_segments(unit)).graph
    again = set(graph.references.keys() & numbers)
    again |= {one for number in numbers for one in graph.all_dependents_of(number)}
    for number in sorted(again, key=lambda one: (graph.level_of(one), one)):
        stored, expansion = await _expand_again(unit, number)
        if stored.type is SegmentType.DYNAMIC:
            dependent = expansion.applied_to(stored)
            unit.row.rule_count += count_rules(dependent) - count_rules(stored)
            await segments.update_segment(unit, dependent)
    return again


async def require_unreferenced(unit: WriteUnit, segment: Segment) -> None:
    """Raise `InUse` if rules of other segments name a segment."""
    graph = (await load_active_segments(unit)).graph
    numbers = graph.dependents.get(segment.number, ())
    if numbers:
        mentioning = await mentioning_segments.load_mentioning(unit, SEGMENTS)
        named = [Dependent(*one) for one in mentioning if one[0].number in numbers]
        raise InUse("segment", f"Rules reference it: {describe_dependents(named)}")
