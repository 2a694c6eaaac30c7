"""Lists: contacts under a name, put there by hand (static) or by a condition (dynamic)."""

from dataclasses import dataclass

from diglot.model.segments import Segment, SegmentType


@dataclass(frozen=True, slots=True)
class ContactList:
    """A list as stored; `segment` is what stands behind a dynamic one. Instants in microseconds."""

    number: int
    id: str
    name: str
    description: str | None
    segment: Segment | None
    created_at: int
    updated_at: int

    @property
    def type(self) -> SegmentType:
        """Whether the list is filled by hand or follows a condition."""
        return SegmentType.STATIC if self.segment is None else SegmentType.DYNAMIC


@dataclass(frozen=True, slots=True)
class CountedList:
    """A list with the number of its members at an instant, both of one state of the database."""

    list: ContactList
    count: int
    as_of: int
