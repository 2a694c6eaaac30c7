"""Why and when memberships changed."""

import enum
from collections.abc import Sequence
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
class ChangeOrigin:
    """When something happened, in microseconds, and why."""

    at: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class AtInstant:
    """As of an instant, in microseconds: after everything that was stored until then."""

    at: int


@dataclass(frozen=True, slots=True)
class AtEntry:
    """As of an entry of the log: after the change of this number."""

    number: int


AsOf = AtInstant | AtEntry


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """A contact entered a segment or left it, by the change of a number in the workspace.

    The id of the contact is None where it is no longer kept.
    """

    number: int
    origin: ChangeOrigin
    segment_id: str
    contact_id: str | None
    entered: bool


@dataclass(frozen=True, slots=True)
class ChangeFeed:
    """Changes after a number, in their order: all there are up to `through`, of all up to `newest`."""

    changes: Sequence[MembershipChange]
    after: int
    through: int
    newest: int
