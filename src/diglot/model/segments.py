"""Segments: a named group of contacts, dynamic (by condition) or static (by hand)."""

import enum
from dataclasses import dataclass

from diglot.conditions.relative_dates import NEVER
from diglot.conditions.tree import Node


class SegmentType(enum.StrEnum):
    """Whether membership follows the condition or is changed by hand."""

    DYNAMIC = "dynamic"
    STATIC = "static"


class MemberAction(enum.StrEnum):
    """What a change by hand does with the contacts it names."""

    SET = "set"
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class ManualMemberChange:
    """A change of the members of a static segment by hand; `ids` are UUIDs of contacts, each once."""

    action: MemberAction
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OriginalText:
    """A condition as sent: compact JSON text, and the dialect whose words it is in."""

    dialect: str
    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked condition and the source it came from."""

    tree: Node
    original: OriginalText


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as stored. `number` is dense within the workspace; instants in microseconds.

    `members` is how many the stored membership holds, None until it is evaluated; `next_change_at` is an
    instant before which time alone changes none of them; they have a history after `since_entry`, None until
    the segment is evaluated first.
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


@dataclass(frozen=True, slots=True)
class MemberCount:
    """How many members a revision of a segment has at an instant, in microseconds."""

    members: int
    as_of: int
    revision: int


@dataclass(frozen=True, slots=True)
class CountedSegment:
    """A segment with the number of its members at an instant, both of one state of the database."""

    segment: Segment
    count: int
    as_of: int
