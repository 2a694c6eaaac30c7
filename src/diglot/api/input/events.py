"""Readers for names and instants in the bodies of events."""

from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import checked_by, read_at_most
from diglot.api.input.contact_values import INSTANT_FAULT
from diglot.conditions import dates
from diglot.conditions.events.fields import MAX_NAME_LENGTH
from diglot.conditions.text import to_nfc
from diglot.model.events import OccurredAt


def _find_instant_fault(written: str) -> str | None:
    return INSTANT_FAULT if dates.parse_to_microsecond(written) is None else None


INSTANT_CHECK: Final = checked_by(_find_instant_fault)
INSTANT_LENGTH: Final = read_at_most(100)


def _find_name_fault(name: str) -> str | None:
    """Return what is wrong with the name of an event; conditions have it in normal form C."""
    if len(to_nfc(name)) <= MAX_NAME_LENGTH:
        return None
    return f"String must contain at most {MAX_NAME_LENGTH} character(s)"


# Of a name with a length of 1 to 100 characters as it is sent.
EVENT_NAME_CHECK: Final = checked_by(_find_name_fault)
EventId = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="Your id of the event. A repetition with the same id, contact and name does not count "
        "again; an event of another contact or name with this id is a 409.",
    ),
]


def read_occurred_at(written: str | UnsetType | None, key: str, zone: ZoneInfo) -> OccurredAt | None:
    """Return the time of an event from its body; a bare date means the start of the day in the time zone."""
    found = dates.parse_to_microsecond(written) if isinstance(written, str) else None
    return None if found is None else OccurredAt(found.to_instant(zone), (key,))


def without_unset(**members: Any) -> dict[str, Any]:
    """Return the members that are neither null nor `UNSET`."""
    return {key: value for key, value in members.items() if value is not None and value is not UNSET}
