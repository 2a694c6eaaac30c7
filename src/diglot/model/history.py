"""Why and when memberships changed."""

import enum
from dataclasses import dataclass


class Cause(enum.StrEnum):
    """What moved a contact into a segment or out of it."""

    CONTACT_CREATED = "contact created"
    CONTACT_CHANGED = "contact changed"
    CONTACT_DELETED = "contact deleted"
    LIST_CHANGED = "list changed"
    TIME = "time"
    SEGMENT_CREATED = "segment created"
    SEGMENT_CHANGED = "segment changed"
    BY_HAND = "changed by hand"
    ZONE_CHANGED = "time zone changed"
    REPAIRED = "repaired"


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, in microseconds, and why."""

    at: int
    cause: Cause
