"""A segment made and changed: one way for segments and for those that stand behind dynamic lists.

The workspace is locked by then.
"""

from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET, UnsetType

from diglot.conditions import tree
from diglot.conditions.relative_dates import relative_dates_of
from diglot.membership import evaluate
from diglot.membership.writer import MembershipWriter, open_writer
from diglot.model.ids import new_id
from diglot.model.lists import ContactList
from diglot.model.membership_changes import Cause
from diglot.model.segments import Condition, Segment, SegmentType
from diglot.model.webhooks import AudienceRef
from diglot.service.unit_of_work import WriteUnit
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Transaction


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment to make."""

    name: str
    condition: Condition
    description: str | None = None
    type: SegmentType = SegmentType.DYNAMIC


@dataclass(frozen=True, slots=True)
class SegmentPatch:
    """The parts of a segment to change; what is `UNSET` stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    condition: Condition | UnsetType = UNSET


async def create_segment(writing: WriteUnit, new: NewSegment, list_: ContactList | None = None) -> Segment:
    """Make a segment of the number taken, or the one behind a dynamic list; a static one gets its members."""
    segment = Segment(
        number=writing.locked.first_segment,
        id=new_id(),
        name=new.name,
        description=new.description,
        type=new.type,
        condition=new.condition,
        revision=1,
        last_calculated_at=None if tree.is_draft(new.condition.tree) else writing.now,
        created_at=writing.now,
        updated_at=writing.now,
    )
    here = await _open_writer(writing)
    number = None if list_ is None else list_.number
    await segments.insert_segment(writing.transaction, writing.workspace, segment, number)
    list_id = None if list_ is None else list_.id
    return await evaluate.evaluate_segment(
        _with_current_name(here, segment, list_id), segment, Cause.SEGMENT_CREATED
    )


async def update_segment(writing: WriteUnit, stored: Segment, wanted: SegmentPatch) -> Segment:
    """Change a segment; return the same object when nothing differs."""
    changed = _apply_patch(stored, wanted, writing.now)
    if changed is stored:
        return stored
    # Time does to a membership what it does under the condition that it was stored under.
    here = await _open_writer(writing)
    await segments.update_segment(writing.transaction, writing.workspace, changed)
    if changed.revision != stored.revision:
        behind = here.active_segments.list_refs.get(stored.number)
        named = _with_current_name(here, changed, None if behind is None else behind.id)
        evaluated = await evaluate.evaluate_segment(named, changed, Cause.SEGMENT_CHANGED)
        if relative_dates_of(stored.condition.tree):
            await evaluate.drop_unused_indexes(writing.transaction, writing.workspace)
        return evaluated
    if changed.name != stored.name:
        await evaluate.record_segment_rename(here)
    return changed


async def delete_segment(transaction: Transaction, workspace: int, segment: Segment) -> None:
    """Delete a segment; its contacts stay."""
    await segments.delete_segment(transaction, workspace, segment.number)
    await evaluate.handle_segment_deleted(transaction, workspace)


async def _open_writer(writing: WriteUnit) -> MembershipWriter:
    return await open_writer(writing.transaction, writing.workspace, writing.locked, writing.now)


def _with_current_name(here: MembershipWriter, segment: Segment, list_id: str | None) -> MembershipWriter:
    """Return the same, with what a segment, or the list before it, is called from now on."""
    if list_id is None:
        groups = {**here.active_segments.segment_refs, segment.number: AudienceRef(segment.id, segment.name)}
        return replace(here, active_segments=replace(here.active_segments, segment_refs=groups))
    lists = {**here.active_segments.list_refs, segment.number: AudienceRef(list_id, segment.name)}
    return replace(here, active_segments=replace(here.active_segments, list_refs=lists))


def _apply_patch(stored: Segment, wanted: SegmentPatch, now: int) -> Segment:
    values: dict[str, Any] = {}
    if wanted.name is not UNSET and wanted.name != stored.name:
        values["name"] = wanted.name
    if wanted.description is not UNSET and wanted.description != stored.description:
        values["description"] = wanted.description
    if isinstance(wanted.condition, Condition) and not _conditions_are_equal(
        stored.condition, wanted.condition
    ):
        draft = tree.is_draft(wanted.condition.tree)
        values["condition"] = wanted.condition
        values["revision"] = stored.revision + 1
        values["last_calculated_at"] = None if draft else now
    return replace(stored, **values, updated_at=now) if values else stored


def _conditions_are_equal(stored: Condition, changed: Condition) -> bool:
    # As stored text: 5 and 5.0 are equal in Python, yet they are two operands.
    return tree.encode(stored.tree) == tree.encode(changed.tree)
