"""Lists: named groups of contacts, static (changed by hand) or dynamic (by condition)."""

import msgspec

from diglot.model.segments import Segment, SegmentType


class ContactList(msgspec.Struct, frozen=True):
    """A stored list; a dynamic list has a segment for its members. Instants are in microseconds."""

    number: int
    id: str
    name: str
    description: str | None
    segment: Segment | None
    created_at: int
    updated_at: int

    @property
    def type(self) -> SegmentType:
        """Static if members are added by hand, dynamic if they follow a condition."""
        return SegmentType.STATIC if self.segment is None else SegmentType.DYNAMIC


class CountedList(msgspec.Struct, frozen=True):
    """A list with its member count at an instant (microseconds), both from one snapshot."""

    list: ContactList
    count: int
    as_of: int
