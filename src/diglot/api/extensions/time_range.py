"""Query parameters that are instants, in every dialect."""

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import checked_by
from diglot.api.patterns import PRECISE_INSTANT
from diglot.conditions import dates


def _find_fault(written: str) -> str | None:
    return "Expected an instant" if dates.parse(written) is None else None


def instant_parameter(description: str) -> Any:
    """Return the type of a query parameter that is an instant; `to_instant` reads it."""
    return Annotated[str, Meta(description=description, pattern=PRECISE_INSTANT), checked_by(_find_fault)]


def to_instant(written: str | UnsetType, zone: ZoneInfo) -> int | None:
    """Return the instant that a valid text stands for, in microseconds; None for one that was not sent."""
    if written is UNSET:
        return None
    parsed = dates.parse(written)
    assert parsed is not None
    return parsed.to_instant(zone)
