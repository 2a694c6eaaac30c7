"""What both dialects read and say of the past: `as_of`, and which change an answer knows last.

A count of now says when it is true, and which revision of a segment's condition it is of.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, UnsetType

from diglot.api.call import Call
from diglot.api.input import query_string
from diglot.api.input.query_string import MOST_OFFSET
from diglot.api.patterns import MOMENT_OR_ENTRY
from diglot.api.responses import HEADER
from diglot.conditions import dates
from diglot.conditions.relative_dates import NEVER
from diglot.errors import Invalid
from diglot.model.membership_changes import AsOf, AtEntry, AtInstant
from diglot.model.pages import CountedPage, HistoricalPage, MemberPage, Page
from diglot.model.segments import Segment

_HEADER: Final = HEADER.lower().encode()
AsOfQuery = Annotated[
    str,
    Meta(
        description="Who was a member then: at an instant, or after the change of a sequence number (an "
        "extension). Answers cut instants short: what a change left is had by its number, not by its time. "
        f"Every page says in `{HEADER}` which change it knows last: pages asked for as of that "
        "number are of one state, whatever is written meanwhile.",
        pattern=MOMENT_OR_ENTRY,
    ),
]
_Number = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
OfPast = _Number | UnsetType
Revision = Annotated[int, Meta(ge=1, description="Goes up by one whenever the rules change.")]


def read_as_of(call: Call) -> AsOf | None:
    """Return the time that a query asks for, None for now; raise `Invalid` for what is none."""
    written = query_string.text(call.query, "as_of")
    if written is None:
        return None
    if written.isascii() and written.isdigit():
        return AtEntry(query_string.clamped(written, MOST_OFFSET))
    found = dates.parse(written)
    if found is None:
        raise Invalid.at(("as_of",), "Expected an instant or a sequence number")
    return AtInstant(found.to_instant(call.caller.zone))


def tell(call: Call, page: MemberPage[Any] | HistoricalPage[Any]) -> None:
    """Have the answer say which change it knows last."""
    call.add_header(_HEADER, b"%d" % page.entry)


def of_past(page: Page[Any]) -> tuple[OfPast, OfPast]:
    """Return the change that a page of the past is of and how many of its total are deleted since."""
    return (page.entry, page.deleted_count) if isinstance(page, HistoricalPage) else (UNSET, UNSET)


def of_now(page: Page[Any], show: Callable[[int], str]) -> tuple[str | UnsetType, int | UnsetType | None]:
    """Return when the total of a page is true, and of which revision; of the past `of_past` says it."""
    return (show(page.as_of), page.revision) if isinstance(page, CountedPage) else (UNSET, UNSET)


def next_change(segment: Segment) -> int | None:
    """Return when time can change a segment next, None where it never does."""
    return segment.next_change_at if segment.next_change_at < NEVER else None
