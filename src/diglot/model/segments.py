"""Segments: named groups of contacts, dynamic (by condition) or static (changed by hand)."""

import enum
from dataclasses import dataclass, field

import msgspec

from diglot.conditions.analysis.references import Reference
from diglot.conditions.relative_dates import NEVER
from diglot.conditions.tree import DRAFT, Node, is_draft
from diglot.errors import Path

# The ids of segments that rules name, each with its path in the body.
SentReferences = tuple[tuple[str, Path], ...]
# How far back from now rules need events (see conditions/computed/needed_history.py), each with its path.
EventNeeds = tuple[tuple[int, Path], ...]


class DeletedReference(msgspec.Struct, frozen=True, array_like=True):
    """What makes rules invalid: its field and value as rules name it, and its name.

    It is a deleted tag or list that a rule excludes, or a segment that is invalid itself or has no rules.
    """

    field: str
    value: str
    name: str

    @property
    def reference(self) -> Reference:
        """What rules name."""
        return Reference(self.field, self.value)


class SegmentType(enum.StrEnum):
    """Whether members follow the condition or are changed by hand."""

    DYNAMIC = "dynamic"
    STATIC = "static"


class MemberAction(enum.StrEnum):
    """How a manual change applies the given contacts to the members."""

    SET = "set"
    ADD = "add"
    REMOVE = "remove"


class ManualMemberChange(msgspec.Struct, frozen=True):
    """A manual change of a static segment's members; `ids` are distinct UUIDs of contacts."""

    action: MemberAction
    ids: tuple[str, ...]


class OriginalText(msgspec.Struct, frozen=True):
    """A condition as sent: compact JSON, and the name of its dialect."""

    dialect: str
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked condition and its original text.

    `references` are the ids of segments that its rules name, with their paths in the body, and `event_needs`
    those of the rules that need single events, if it was sent in a body.
    """

    tree: Node
    original: OriginalText
    references: SentReferences = field(default=(), compare=False)
    event_needs: EventNeeds = field(default=(), compare=False)


class Rules(msgspec.Struct, frozen=True):
    """Checked rules as warnings read them; those that exclude `deleted_references` are invalid."""

    tree: Node
    deleted_references: tuple[DeletedReference, ...] = ()

    @classmethod
    def of(cls, type_: SegmentType, node: Node, deleted: tuple[DeletedReference, ...]) -> "Rules | None":
        """Return the rules of a segment; None for a static one without rules, whose members are given."""
        return None if type_ is SegmentType.STATIC and is_draft(node) else cls(node, deleted)


class Segment(msgspec.Struct, frozen=True):
    """A stored segment. `number` is dense within the workspace; instants are in microseconds.

    `members` is the stored member count, None until the segment is evaluated. `next_change_at` is an instant
    before which the passing of time alone does not change the members. The history of the members begins
    after the entry `since_entry`, None until the first evaluation. A dynamic segment is invalid, and matches
    no contact, as long as it has `deleted_references`. `expanded` is the condition with the meaning of each
    segment that the rules name, None if they name none.
    """

    number: int
    id: str
    name: str
    description: str | None
    type: SegmentType
    condition: Condition
    revision: int
    last_calculated_at: int | None
    created_at: int
    updated_at: int
    members: int | None = None
    next_change_at: int = NEVER
    since_entry: int | None = None
    deleted_references: tuple[DeletedReference, ...] = ()
    expanded: Node | None = None

    @property
    def rules(self) -> "Rules | None":
        """The rules, or None if the members are chosen by hand."""
        return Rules.of(self.type, self.condition.tree, self.deleted_references)

    @property
    def evaluated_tree(self) -> Node:
        """The condition that decides who is a member: that of the rules, or a draft if they are invalid."""
        return DRAFT if self.deleted_references else self.full_tree

    @property
    def full_tree(self) -> Node:
        """The condition of the rules with those of the segments that they name, also if they are invalid."""
        return self.condition.tree if self.expanded is None else self.expanded


class MemberCount(msgspec.Struct, frozen=True):
    """The member count of a segment's revision at an instant (microseconds), and its rules, if it has any."""

    members: int
    as_of: int
    revision: int
    rules: Rules | None


class CountedSegment(msgspec.Struct, frozen=True):
    """A segment with its member count at an instant (microseconds), both from one snapshot."""

    segment: Segment
    count: int
    as_of: int
