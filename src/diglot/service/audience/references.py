"""Keeps rules right when what they name is renamed or deleted (semantics 28).

Rules follow a renamed tag. A dynamic segment whose rules exclude a deleted tag or list becomes invalid and
matches nobody, because it would gain members otherwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from diglot.conditions.analysis import references
from diglot.conditions.analysis.references import Reference
from diglot.conditions.relative_dates import relative_dates_of
from diglot.errors import InUse
from diglot.membership import evaluate, store
from diglot.membership.writer import open_writer
from diglot.model.membership_changes import Cause
from diglot.model.segments import Condition, DeletedReference, OriginalText, Segment, SegmentType
from diglot.model.webhooks import AudienceRef
from diglot.service.audience.segment_writes import count_rules
from diglot.storage.audience import lists, segments
from diglot.storage.write_unit import WriteUnit

# An error names so many dependents.
_MOST_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Dependent:
    """A segment whose rules name a reference, and the dynamic list in front of it, if there is one."""

    segment: Segment
    list_ref: AudienceRef | None

    def __str__(self) -> str:
        kind, ref = ("segment", self.segment) if self.list_ref is None else ("list", self.list_ref)
        return f"{kind} {ref.id} ({ref.name})"


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
        dependents = await _find_dependents(unit, self.reference)
        for one in dependents:
            condition = one.segment.condition
            either = references.accept_also(condition.tree, self.reference, self.value)
            await segments.update_segment(
                unit, replace(one.segment, condition=Condition(either, condition.original))
            )
        _renew(unit, dependents)
        return dependents

    async def end(self, unit: WriteUnit, dependents: Sequence[Dependent]) -> None:
        """Rewrite the rules that named the tag, each as a new revision of its segment."""
        for one in dependents:
            stored = one.segment.condition
            changed = replace(
                one.segment,
                condition=self._rename_in(stored),
                revision=one.segment.revision + 1,
                updated_at=unit.now,
            )
            unit.row.rule_count += count_rules(changed.condition) - count_rules(stored)
            await segments.update_segment(unit, changed)
            if one.list_ref is not None:
                await lists.set_updated(unit, one.list_ref.id, unit.now)
        _renew(unit, dependents)

    def _rename_in(self, condition: Condition) -> Condition:
        original = condition.original
        text = references.rename_in_text(original.text, condition.tree, self.reference, self.name)
        node = references.rename(condition.tree, self.reference, self.value)
        return Condition(node, OriginalText(original.dialect, text))


def _renew(unit: WriteUnit, dependents: Sequence[Dependent]) -> None:
    if dependents:
        store.renew_segments_version(unit, [one.segment.number for one in dependents])
        unit.renew_contacts_version()


async def _find_dependents(unit: WriteUnit, reference: Reference) -> list[Dependent]:
    """Return the segments whose rules name a reference.

    Rules that are invalid because it was deleted name that one, not another of the same name.
    """
    return [
        Dependent(segment, list_ref)
        for segment, list_ref in await segments.load_mentioning(unit, reference.field)
        if references.is_named(segment.condition.tree, reference)
        and all(deleted.reference != reference for deleted in segment.deleted_references)
    ]


async def invalidate_dependents(unit: WriteUnit, deleted: DeletedReference, *, force: bool) -> None:
    """Make the dynamic segments invalid whose rules exclude what is to be deleted; they lose their members.

    Without `force` raise `InUse` instead if there are any.
    """
    dependents = [
        one
        for one in await _find_dependents(unit, deleted.reference)
        if one.segment.type is SegmentType.DYNAMIC
        and references.is_excluded(one.segment.condition.tree, deleted.reference)
    ]
    if dependents and not force:
        raise InUse("reference", _describe(dependents))
    for one in dependents:
        await _invalidate(unit, one.segment, deleted)


async def _invalidate(unit: WriteUnit, segment: Segment, deleted: DeletedReference) -> None:
    changed = replace(segment, deleted_references=(*segment.deleted_references, deleted))
    writer = await open_writer(unit)
    await segments.update_segment(unit, changed)
    if segment.deleted_references:
        return
    unit.renew_contacts_version()
    await evaluate.evaluate_segment(writer, changed, Cause.SEGMENT_INVALID)
    if relative_dates_of(segment.condition.tree):
        await evaluate.drop_unused_indexes(unit)


def _describe(dependents: Sequence[Dependent]) -> str:
    named = ", ".join(map(str, dependents[:_MOST_NAMED]))
    more = f" and {len(dependents) - _MOST_NAMED} more" if len(dependents) > _MOST_NAMED else ""
    return f"Rules exclude it and would become invalid: {named}{more}"
