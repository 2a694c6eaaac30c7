"""Reads `as_of` and writes what responses say about the past, in both dialects.

A response about the past names the last change that it includes. A current count says when it was true
and to which revision of the segment's condition it belongs.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, checked_by
from diglot.api.call import Call
from diglot.api.input.parameter_readers import clamp_digits
from diglot.api.input.query_string import MAX_OFFSET
from diglot.api.patterns import INSTANT_OR_SEQUENCE
from diglot.api.responses import AS_OF_HEADER
from diglot.conditions import dates
from diglot.conditions.relative_dates import NEVER
from diglot.model.membership_changes import AsOf, AtEntry, AtInstant
from diglot.model.pages import CountedPage, HistoricalPage, MemberPage, Page
from diglot.model.segments import Segment

_AS_OF_HEADER_BYTES: Final = AS_OF_HEADER.lower().encode()


def _is_entry(written: str) -> bool:
    return written.isascii() and written.isdigit()


def find_as_of_fault(written: str) -> str | None:
    """Return what is wrong with an `as_of`, or None."""
    if _is_entry(written) or dates.parse(written) is not None:
        return None
    return "Expected an instant or a sequence number"


AsOfQuery = Annotated[
    str,
    Meta(
        description="Return the members at an instant, or after the change with a sequence number (an "
        "extension). Timestamps in responses are truncated: to see the state right after a change, pass "
        f"its sequence number, not its timestamp. Every page has a `{AS_OF_HEADER}` header with the last "
        "change that it includes: pass that number to get further pages of the same state.",
        pattern=INSTANT_OR_SEQUENCE,
    ),
    checked_by(find_as_of_fault),
]
_Number = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
OfPast = _Number | UnsetType
Revision = Annotated[int, Meta(ge=1, description="Increases by one whenever the rules change.")]


class PastQuery(msgspec.Struct, frozen=True):
    """The point in time of the members."""

    as_of: Extension[AsOfQuery] | UnsetType = UNSET


def to_as_of(written: str | UnsetType, zone: ZoneInfo) -> AsOf | None:
    """Return a valid `as_of` of a query, or None for now."""
    if written is UNSET:
        return None
    if _is_entry(written):
        return AtEntry(clamp_digits(written, MAX_OFFSET))
    found = dates.parse(written)
    assert found is not None
    return AtInstant(found.to_instant(zone))


def add_as_of_header(call: Call, page: MemberPage[Any] | HistoricalPage[Any]) -> None:
    """Add the response header with the last change that the page includes."""
    add_entry_header(call, page.entry)


def add_entry_header(call: Call, entry: int) -> None:
    """Add the response header with the last change that the response includes."""
    call.add_header(_AS_OF_HEADER_BYTES, b"%d" % entry)


def history_metadata(page: Page[Any]) -> tuple[OfPast, OfPast]:
    """Return the change that a page of the past shows, and how many of its total were deleted since."""
    return (page.entry, page.deleted_count) if isinstance(page, HistoricalPage) else (UNSET, UNSET)


def count_metadata(
    page: Page[Any], show: Callable[[int], str]
) -> tuple[str | UnsetType, int | UnsetType | None]:
    """Return when a current total was true, and its revision; for the past see `history_metadata`."""
    return (show(page.as_of), page.revision) if isinstance(page, CountedPage) else (UNSET, UNSET)


def next_change(segment: Segment) -> int | None:
    """Return when the passing of time can next change a segment, or None if it never does."""
    return segment.next_change_at if segment.next_change_at < NEVER else None
