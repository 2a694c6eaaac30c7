"""Creates, updates and deletes segments, including those behind dynamic lists."""

from dataclasses import replace
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from diglot.conditions import tree
from diglot.conditions.computed_fields import SEGMENTS
from diglot.conditions.relative_dates import relative_dates_of
from diglot.errors import InvalidInput
from diglot.membership import evaluate, store
from diglot.membership.evaluate import EvaluatedSegment
from diglot.membership.writer import MembershipWriter, open_writer
from diglot.model.ids import new_id
from diglot.model.lists import ContactList
from diglot.model.membership_changes import Cause
from diglot.model.segments import Condition, Segment, SegmentType
from diglot.model.webhooks import AudienceRef
from diglot.model.workspaces import WorkspaceLimits
from diglot.service.audience.rules.counts import add_rules, count_rules
from diglot.service.audience.rules.segment_references import (
    expand_sent,
    follow_segment,
    require_unreferenced,
)
from diglot.service.limits import require_kept, require_room
from diglot.storage.audience import segments
from diglot.storage.write_unit import WriteUnit


class NewSegment(msgspec.Struct, frozen=True):
    """A segment to create."""

    name: str
    condition: Condition
    description: str | None = None
    type: SegmentType = SegmentType.DYNAMIC


class SegmentPatch(msgspec.Struct, frozen=True):
    """The fields of a segment to update; `UNSET` leaves a field unchanged."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    condition: Condition | UnsetType = UNSET


async def create_segment(
    unit: WriteUnit, new: NewSegment, limits: WorkspaceLimits, list_: ContactList | None = None
) -> EvaluatedSegment:
    """Create a segment, or the one behind a dynamic list; a static one is filled immediately.

    Raise `LimitReached` if the workspace has no room for it or for its rules, `InvalidInput` for segments
    that the rules cannot name.
    """
    writer, segment = await insert_segment(unit, new, limits, list_)
    return await evaluate.evaluate_segment(writer, segment, Cause.SEGMENT_CREATED)


async def insert_segment(
    unit: WriteUnit, new: NewSegment, limits: WorkspaceLimits, list_: ContactList | None = None
) -> tuple[MembershipWriter, Segment]:
    """Insert the row of a segment; return it with the writer of its members; raise as `create_segment`."""
    require_room("segments and dynamic lists", limits.segments, unit.row.segment_count)
    require_kept(new.condition, unit.row.event_days)
    writer = await open_writer(unit)
    unit.row.segment_count += 1
    segment = Segment(
        number=unit.take_keys("segment"),
        id=new_id(),
        name=new.name,
        description=new.description,
        type=new.type,
        condition=new.condition,
        revision=1,
        last_calculated_at=None if tree.is_draft(new.condition.tree) else unit.now,
        created_at=unit.now,
        updated_at=unit.now,
    )
    segment = await _expand(writer, segment, None)
    add_rules(unit, count_rules(segment), limits)
    number = None if list_ is None else list_.number
    await segments.insert_segment(unit, segment, number)
    list_id = None if list_ is None else list_.id
    return _with_current_name(writer, segment, list_id), segment


async def update_segment(
    writer: MembershipWriter, stored: Segment, patch: SegmentPatch, limits: WorkspaceLimits
) -> EvaluatedSegment:
    """Update a segment that was read after the writer was opened; return the same object if nothing differs.

    The writer must be opened first, because changes by time up to now follow the old condition. Raise
    `LimitReached` if the workspace has no room for the rules that the change adds, `InvalidInput` for
    segments that the rules cannot name, or if they need events which are not kept for so long.
    """
    unit = writer.unit
    changed = _apply_patch(stored, patch, unit.now)
    if changed is stored:
        return EvaluatedSegment(stored)
    if changed.revision != stored.revision:
        changed = await _admit(writer, changed, stored, limits)
    await segments.update_segment(unit, changed)
    if changed.revision != stored.revision:
        unit.renew_contacts_version()
        list_ref = writer.active_segments.list_refs.get(stored.number)
        renamed = _with_current_name(writer, changed, None if list_ref is None else list_ref.id)
        evaluated = await evaluate.evaluate_segment(renamed, changed, Cause.SEGMENT_CHANGED)
        await follow_segment(writer, evaluated, limits)
        if relative_dates_of(stored.full_tree):
            await evaluate.drop_unused_indexes(unit)
        return evaluated
    if changed.name != stored.name:
        # Webhook events about the members contain the name.
        store.renew_segments_version(unit, [stored.number])
    return EvaluatedSegment(changed)


async def _admit(
    writer: MembershipWriter, changed: Segment, stored: Segment, limits: WorkspaceLimits
) -> Segment:
    """Return a segment with the meaning of its new rules, if the workspace admits them."""
    require_kept(changed.condition, writer.unit.row.event_days)
    expanded = await _expand(writer, changed, stored)
    add_rules(writer.unit, count_rules(expanded) - count_rules(stored), limits)
    return expanded


def changes_nothing(stored: Segment, patch: SegmentPatch) -> bool:
    """Tell whether a patch leaves a segment as it is, so that not even the workspace clock has to move."""
    return _apply_patch(stored, patch, stored.updated_at) is stored


async def delete_segment(unit: WriteUnit, segment: Segment) -> None:
    """Delete a segment; its contacts stay. Raise `InUse` if rules of other segments name it."""
    await require_unreferenced(unit, segment)
    await segments.delete_segment(unit, segment.number)
    unit.row.segment_count -= 1
    unit.row.rule_count -= count_rules(segment)
    await evaluate.handle_segment_deleted(unit, segment.number)


async def _expand(writer: MembershipWriter, segment: Segment, stored: Segment | None) -> Segment:
    """Return a segment with the meaning of the rules that were sent for it; raise `InvalidInput`."""
    condition, graph = segment.condition, writer.active_segments.graph
    expansion = await expand_sent(writer.unit, condition.tree, condition.references, graph, stored)
    if expansion.broken and segment.type is SegmentType.STATIC:
        named = ", ".join(f"{one.value} ({one.name})" for one in expansion.broken)
        message = f"A static segment cannot be filled by segments that are drafts or invalid: {named}"
        raise InvalidInput.at(condition.references[0][1] if condition.references else (), message)
    return expansion.applied_to(segment)


def _with_current_name(writer: MembershipWriter, segment: Segment, list_id: str | None) -> MembershipWriter:
    """Return the writer with the new name of a segment, or of the list in front of it."""
    if list_id is None:
        segment_ref = AudienceRef(segment.id, segment.name)
        segment_refs = {**writer.active_segments.segment_refs, segment.number: segment_ref}
        return replace(writer, active_segments=replace(writer.active_segments, segment_refs=segment_refs))
    list_refs = {**writer.active_segments.list_refs, segment.number: AudienceRef(list_id, segment.name)}
    return replace(writer, active_segments=replace(writer.active_segments, list_refs=list_refs))


def _apply_patch(stored: Segment, patch: SegmentPatch, now: int) -> Segment:
    values: dict[str, Any] = {}
    if patch.name is not UNSET and patch.name != stored.name:
        values["name"] = patch.name
    if patch.description is not UNSET and patch.description != stored.description:
        values["description"] = patch.description
    if isinstance(patch.condition, Condition) and _makes_new_revision(stored, patch.condition):
        draft = tree.is_draft(patch.condition.tree)
        values["condition"] = patch.condition
        values["revision"] = stored.revision + 1
        values["last_calculated_at"] = None if draft else now
        values["deleted_references"], values["expanded"] = (), None
    return msgspec.structs.replace(stored, **values, updated_at=now) if values else stored


def _makes_new_revision(stored: Segment, sent: Condition) -> bool:
    """Tell whether sent rules replace the stored ones; equal rules only make an invalid segment valid."""
    # Compare the stored text, because 5 and 5.0 are equal in Python but two operands here.
    # A segment that references an invalid one becomes valid with that one, not by the same rules.
    was_reset = any(deleted.field != SEGMENTS for deleted in stored.deleted_references)
    return was_reset or tree.encode(stored.condition.tree) != tree.encode(sent.tree)
