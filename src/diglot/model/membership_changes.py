"""Membership changes: when and why contacts entered or left segments."""

import enum
from collections.abc import Sequence

import msgspec


class Cause(enum.StrEnum):
    """What made a contact enter or leave a segment."""

    CONTACT_CREATED = "contact created"
    CONTACT_CHANGED = "contact changed"
    CONTACT_DELETED = "contact deleted"
    LIST_CHANGED = "list changed"
    TIME = "time"
    SEGMENT_CREATED = "segment created"
    SEGMENT_CHANGED = "segment changed"
    SEGMENT_INVALID = "segment invalid"
    BY_HAND = "changed by hand"
    ZONE_CHANGED = "time zone changed"
    REPAIRED = "repaired"


class ChangeOrigin(msgspec.Struct, frozen=True):
    """When a change happened, in microseconds, and why.

    `segment` is the number of the segment that the contact entered or left at the same time, if the changed
    segment references it and moved the contact because of that.
    """

    at: int
    cause: Cause
    segment: int | None = None


class AtInstant(msgspec.Struct, frozen=True):
    """The state at an instant, in microseconds: after every change stored up to it."""

    at: int


class AtEntry(msgspec.Struct, frozen=True):
    """The state after the change with an entry number."""

    number: int


AsOf = AtInstant | AtEntry


class MembershipChange(msgspec.Struct, frozen=True):
    """A contact entered or left a segment; `number` is the entry number in the workspace.

    `contact_id` is None if the id of a deleted contact has expired. `cause_segment_id` is the id of the
    origin's segment, if it has one.
    """

    number: int
    origin: ChangeOrigin
    segment_id: str
    contact_id: str | None
    entered: bool
    cause_segment_id: str | None = None


class ChangeFeed(msgspec.Struct, frozen=True):
    """A page of the change feed: all changes with numbers after `after` up to `through`, in order.

    `newest` is the last number in the workspace.
    """

    changes: Sequence[MembershipChange]
    after: int
    through: int
    newest: int
