"""Keeps rules right when what they name is renamed or deleted (semantics 28).

Rules follow a renamed tag. A dynamic segment whose rules exclude a deleted tag or list becomes invalid and
matches nobody, because it would gain members otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from diglot.conditions import tree
from diglot.conditions.analysis import references
from diglot.conditions.analysis.references import Reference
from diglot.conditions.relative_dates import relative_dates_of
from diglot.errors import InUse
from diglot.membership import evaluate, store
from diglot.membership.writer import load_active_segments, open_writer
from diglot.model.membership_changes import Cause
from diglot.model.segments import Condition, DeletedReference, OriginalText, Segment, SegmentType
from diglot.model.workspaces import NO_LIMITS
from diglot.service.audience.rules.counts import count_rules
from diglot.service.audience.rules.dependents import Dependent, describe_dependents
from diglot.service.audience.rules.segment_references import expand_dependents, follow_segment
from diglot.storage.audience import lists, mentioning_segments, segments
from diglot.storage.write_unit import WriteUnit


@dataclass(frozen=True, slots=True)
class Renaming:
    """A rename of a tag: its name in normal form before and after, and the new name as sent."""

    reference: Reference
    value: str
    name: str

    async def begin(self, unit: WriteUnit) -> Sequence[Dependent]:
        """Make the segments that name the tag match by either name, until its contacts have the new one.

        So no contact leaves a segment and enters it again.
        """
        reference = self.reference
        dependents = await _find_dependents(
            unit, reference, lambda segment: references.is_named(segment.condition.tree, reference)
        )
        for one in dependents:
            condition = one.segment.condition
            either = references.accept_also(condition.tree, self.reference, self.value)
            await segments.update_segment(
                unit, replace(one.segment, condition=Condition(either, condition.original))
            )
        await _renew(unit, dependents)
        return dependents

    async def end(self, unit: WriteUnit, dependents: Sequence[Dependent]) -> None:
        """Rewrite the rules that named the tag, each as a new revision of its segment."""
        for one in dependents:
            stored = one.segment.condition
            changed = replace(
                one.segment,
                condition=self._rename_in(stored),
                expanded=await _load_expanded(unit, one.segment),
                revision=one.segment.revision + 1,
                updated_at=unit.now,
            )
            if changed.expanded is None:
                unit.row.rule_count += count_rules(changed) - count_rules(one.segment)
            await segments.update_segment(unit, changed)
            if one.list_ref is not None:
                await lists.set_updated(unit, one.list_ref.id, unit.now)
        await _renew(unit, dependents)

    def _rename_in(self, condition: Condition) -> Condition:
        original = condition.original
        text = references.rename_in_text(original.text, condition.tree, self.reference, self.name)
        node = references.rename(condition.tree, self.reference, self.value)
        return Condition(node, OriginalText(original.dialect, text))


async def _load_expanded(unit: WriteUnit, segment: Segment) -> tree.Node | None:
    """Return the expanded condition as it is now, whose rules are counted when it is expanded again."""
    if segment.expanded is None:
        return None
    found = await segments.find_by_number_with_state(unit, segment.number)
    assert found is not None
    return found[0].expanded


async def _renew(unit: WriteUnit, dependents: Sequence[Dependent]) -> None:
    if dependents:
        numbers = {one.segment.number for one in dependents}
        # Before segments are loaded, or they would be cached as a version that others know otherwise.
        store.renew_segments_version(unit, numbers)
        store.renew_segments_version(unit, await expand_dependents(unit, numbers))
        unit.renew_contacts_version()


async def _find_dependents(
    unit: WriteUnit, reference: Reference, is_dependent: Callable[[Segment], bool]
) -> list[Dependent]:
    """Return the segments whose rules, or those of segments that they reference, mention a reference.

    Rules that are invalid because it was deleted name that one, not another of the same name.
    """
    return [
        Dependent(segment, list_ref)
        for segment, list_ref in await mentioning_segments.load_mentioning(unit, reference.field)
        if is_dependent(segment)
        and all(deleted.reference != reference for deleted in segment.deleted_references)
    ]


async def invalidate_dependents(unit: WriteUnit, deleted: DeletedReference, *, force: bool) -> None:
    """Make the dynamic segments invalid whose rules exclude what is to be deleted; they lose their members.

    So do those that exclude it by the rules of segments that they reference. Without `force` raise `InUse`
    instead if there are any.
    """

    def would_gain_members(segment: Segment) -> bool:
        is_dynamic = segment.type is SegmentType.DYNAMIC
        return is_dynamic and references.is_excluded(segment.full_tree, deleted.reference)

    dependents = await _find_dependents(unit, deleted.reference, would_gain_members)
    if dependents and not force:
        named = describe_dependents(dependents)
        raise InUse("reference", f"Rules exclude it and would become invalid: {named}")
    graph = (await load_active_segments(unit)).graph
    numbers = [one.segment.number for one in dependents]
    for number in sorted(numbers, key=lambda one: (graph.level_of(one), one)):
        await _invalidate(unit, number, deleted, would_gain_members)


async def _invalidate(
    unit: WriteUnit, number: int, deleted: DeletedReference, would_gain_members: Callable[[Segment], bool]
) -> None:
    writer = await open_writer(unit)
    # Read again, because a segment that it references may have become invalid before.
    found = await segments.find_by_number_with_state(unit, number)
    assert found is not None
    segment = found[0]
    if not would_gain_members(segment):
        # It is invalid by the segment that it references, as long as that one is.
        return
    changed = replace(segment, deleted_references=(*segment.deleted_references, deleted))
    await segments.update_segment(unit, changed)
    if segment.deleted_references:
        return
    unit.renew_contacts_version()
    evaluated = await evaluate.evaluate_segment(writer, changed, Cause.SEGMENT_INVALID)
    await follow_segment(writer, evaluated, NO_LIMITS)
    if relative_dates_of(segment.full_tree):
        await evaluate.drop_unused_indexes(unit)
