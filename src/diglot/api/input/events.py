"""What bodies that tell of events have in common: addresses and instants."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from msgspec import UNSET, UnsetType

from diglot.api.annotations import checked_by, read_at_most
from diglot.conditions import dates
from diglot.conditions.operands import OperandError
from diglot.errors import InvalidInput
from diglot.model.events import OccurredAt
from diglot.service.contacts.contact_input import GivenValue, read_change

_UNUSED_ZONE: Final = ZoneInfo("UTC")


def read_email(value: Any) -> str:
    """Return an address in the form that contacts are found by; raise `OperandError`."""
    try:
        return read_change({"email": GivenValue(value, ())}, None, _UNUSED_ZONE).email
    except InvalidInput as invalid:
        raise OperandError(invalid.faults[0].message) from None


def _find_instant_fault(written: str) -> str | None:
    if dates.parse_to_microsecond(written) is None:
        return "Invalid date: expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ"
    return None


INSTANT_CHECK: Final = checked_by(_find_instant_fault)
INSTANT_LENGTH: Final = read_at_most(100)


def read_occurred_at(written: str | UnsetType | None, key: str, zone: ZoneInfo) -> OccurredAt | None:
    """Return when an event happened that a body says so of; a day begins in a time zone."""
    found = dates.parse_to_microsecond(written) if isinstance(written, str) else None
    return None if found is None else OccurredAt(found.to_instant(zone), (key,))


def without_unset(**members: Any) -> dict[str, Any]:
    """Return the members that are there: neither null nor `UNSET`."""
    return {key: value for key, value in members.items() if value is not None and value is not UNSET}
