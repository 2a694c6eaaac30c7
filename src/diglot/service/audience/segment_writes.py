"""A segment made and changed: one way for segments and for those that stand behind dynamic lists.

The workspace is locked by then.
"""

from dataclasses import dataclass, replace
from typing import Any

from diglot.conditions import tree
from diglot.conditions.relative_dates import edges_of
from diglot.membership import evaluate
from diglot.membership.writer import Current, current
from diglot.model.ids import new_id
from diglot.model.lists import ContactList
from diglot.model.membership_changes import Cause
from diglot.model.segments import Condition, Segment, SegmentType
from diglot.model.webhooks import Group
from diglot.storage.audience import segments
from diglot.storage.sql.engine import Transaction
from diglot.storage.workspaces import Locked


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A segment to make."""

    name: str
    condition: Condition
    description: str | None = None
    type: SegmentType = SegmentType.DYNAMIC


class Keep:
    """The type of `KEEP`: a part that a change leaves alone."""


KEEP = Keep()


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """The parts of a segment to change."""

    name: str | Keep = KEEP
    description: str | Keep | None = KEEP
    condition: Condition | Keep = KEEP


@dataclass(frozen=True, slots=True)
class Writing:
    """A unit that writes: its transaction, the locked workspace, and when it is."""

    transaction: Transaction
    workspace: int
    locked: Locked
    now: int


async def make(writing: Writing, new: NewSegment, list_: ContactList | None = None) -> Segment:
    """Make a segment of the number taken, or the one behind a dynamic list; a static one gets its members."""
    segment = Segment(
        number=writing.locked.segment,
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
    here = await _brought(writing)
    number = None if list_ is None else list_.number
    await segments.insert_segment(writing.transaction, writing.workspace, segment, number)
    list_id = None if list_ is None else list_.id
    return await evaluate.evaluate(_called(here, segment, list_id), segment, Cause.SEGMENT_CREATED)


async def change(writing: Writing, stored: Segment, wanted: SegmentChange) -> Segment:
    """Change a segment; return the same object when nothing differs."""
    changed = _changed(stored, wanted, writing.now)
    if changed is stored:
        return stored
    # Time does to a membership what it does under the condition that it was stored under.
    here = await _brought(writing)
    await segments.update_segment(writing.transaction, writing.workspace, changed)
    if changed.revision != stored.revision:
        behind = here.live.dynamic_lists.get(stored.number)
        named = _called(here, changed, None if behind is None else behind.id)
        evaluated = await evaluate.evaluate(named, changed, Cause.SEGMENT_CHANGED)
        if edges_of(stored.condition.tree):
            await evaluate.look_away(writing.transaction, writing.workspace)
        return evaluated
    if changed.name != stored.name:
        await evaluate.renamed(here)
    return changed


async def remove(transaction: Transaction, workspace: int, segment: Segment) -> None:
    """Delete a segment; its contacts stay."""
    await segments.remove(transaction, workspace, segment.number)
    await evaluate.changed(transaction, workspace)


async def _brought(writing: Writing) -> Current:
    return await current(writing.transaction, writing.workspace, writing.locked, writing.now)


def _called(here: Current, segment: Segment, list_id: str | None) -> Current:
    """Return the same, with what a segment, or the list before it, is called from now on."""
    if list_id is None:
        groups = {**here.live.groups, segment.number: Group(segment.id, segment.name)}
        return replace(here, live=replace(here.live, groups=groups))
    lists = {**here.live.dynamic_lists, segment.number: Group(list_id, segment.name)}
    return replace(here, live=replace(here.live, dynamic_lists=lists))


def _changed(stored: Segment, wanted: SegmentChange, now: int) -> Segment:
    values: dict[str, Any] = {}
    if not isinstance(wanted.name, Keep) and wanted.name != stored.name:
        values["name"] = wanted.name
    if not isinstance(wanted.description, Keep) and wanted.description != stored.description:
        values["description"] = wanted.description
    if isinstance(wanted.condition, Condition) and not _same(stored.condition, wanted.condition):
        draft = tree.is_draft(wanted.condition.tree)
        values["condition"] = wanted.condition
        values["revision"] = stored.revision + 1
        values["last_calculated_at"] = None if draft else now
    return replace(stored, **values, updated_at=now) if values else stored


def _same(stored: Condition, changed: Condition) -> bool:
    # As stored text: 5 and 5.0 are equal in Python, yet they are two operands.
    return tree.encode(stored.tree) == tree.encode(changed.tree)
