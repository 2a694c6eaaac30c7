"""One segment: its rules in words and in the words of each vendor, its size, its members now and before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
from litestar.types import ASGIApp

from diglot.api.rules.writing import show_condition
from diglot.api.warnings import RuleWarning, warn
from diglot.conditions import dates
from diglot.console.answers import Redirect
from diglot.console.charts import Moves, draw_chart
from diglot.console.visit import Visit, read_page_number
from diglot.dialects.registry import DIALECTS
from diglot.errors import InvalidInput
from diglot.model.contacts import Contact
from diglot.model.ids import parse_id
from diglot.model.membership_changes import AtInstant
from diglot.model.pages import Window
from diglot.model.segments import Condition, Segment, SegmentType
from diglot.service.audience.analysis.buckets import Interval
from diglot.service.audience.analysis.sizes import Period
from diglot.service.exports.exports import ExportRequest, members_of_segment
from diglot.service.exports.formats import MEDIA_TYPES, ExportFormat

PER_PAGE: Final = 20
DAYS: Final = (30, 90, 365)


@dataclass(frozen=True, slots=True)
class Written:
    """A condition as a vendor writes it: the title of the dialect, and indented JSON."""

    title: str
    name: str
    text: str


def write_in_each(condition: Condition) -> list[Written]:
    """Return a condition in the words of each dialect."""
    return [
        Written(
            dialect.title,
            dialect.name,
            msgspec.json.format(show_condition(condition, dialect.name, dialect.words), indent=2).decode(),
        )
        for dialect in DIALECTS
    ]


async def find_warnings(visit: Visit, segment: Segment) -> Sequence[RuleWarning]:
    """Return the warnings about the rules of a segment."""
    warnings = await warn(visit, segment.rules, "rules")
    return warnings or []


async def show(visit: Visit) -> ASGIApp:
    """Show a segment; its chart and its members arrive after the page."""
    counted = await visit.services.segments.get_with_count(visit.caller, parse_id(visit.parameters["id"]))
    segment = counted.segment
    return visit.show(
        "segment.html",
        counted=counted,
        segment=segment,
        is_static=segment.type is SegmentType.STATIC,
        names=await visit.services.explanations.name_segments(visit.caller, segment.condition.tree),
        written=write_in_each(segment.condition),
        warnings=await find_warnings(visit, segment),
    )


async def show_history(visit: Visit) -> ASGIApp:
    """Show the size of a segment by day, and the slider that goes back in time."""
    id_ = parse_id(visit.parameters["id"])
    days = visit.query.get_number("days", DAYS[0], DAYS[-1])
    period = Period(Interval.DAY, None, None, days)
    try:
        found = await visit.services.segment_sizes.list_sizes(visit.caller, id_, period)
    except InvalidInput as error:
        return visit.show("parts/error.html", messages=[fault.message for fault in error.faults])
    moves = [Moves(one.begin, one.end, one.size, one.entered, one.left) for one in found.buckets]
    return visit.show(
        "parts/history.html", segment=found.segment, chart=draw_chart(moves), days=days, choices=DAYS
    )


async def show_members(visit: Visit) -> ASGIApp:
    """Show a page of the members, now or at the end of a day."""
    id_, query = parse_id(visit.parameters["id"]), visit.query
    number, day = read_page_number(query), query.get("day")
    window = Window((number - 1) * PER_PAGE, PER_PAGE)
    try:
        members, total, deleted = await _list_members(visit, id_, window, day)
    except InvalidInput as error:
        return visit.show("parts/error.html", messages=[fault.message for fault in error.faults])
    return visit.show(
        "parts/members.html",
        id=visit.parameters["id"],
        members=members,
        total=total,
        deleted=deleted,
        day=day,
        number=number,
        pages=max(1, -(-total // PER_PAGE)),
    )


async def _list_members(
    visit: Visit, id_: str | None, window: Window, day: str
) -> tuple[Sequence[Contact], int, int]:
    """Return members, how many there are, and how many of these were deleted since."""
    services, caller = visit.services, visit.caller
    if not day:
        page = await services.segments.list_members(caller, id_, window)
        return page.items, page.total, 0
    at = _find_end(day, caller.zone, services.segments.clock())
    past = await services.membership_history.list_members(caller, id_, window, AtInstant(at))
    return past.items, past.total, past.deleted_count


def _find_end(day: str, zone: ZoneInfo, now: int) -> int:
    """Return the last instant of a day; raise `InvalidInput`."""
    found = dates.parse(day)
    if found is None or not found.is_date_only:
        raise InvalidInput.at(("day",), "Expected a day such as 2026-05-03")
    return min(dates.day_span(found.day, zone)[1] - 1, now)


async def export(visit: Visit) -> ASGIApp:
    """Send the members as a file for spreadsheets, in which no cell is computed."""
    audience = members_of_segment(parse_id(visit.parameters["id"]))
    found = await visit.services.exports.begin(
        visit.caller, ExportRequest(audience, ExportFormat.CSV, escapes_formulas=True)
    )
    return visit.send_file("members.csv", MEDIA_TYPES[ExportFormat.CSV], found.parts)


async def delete(visit: Visit) -> Redirect:
    """Delete a segment; its contacts stay."""
    await visit.services.segments.delete(visit.caller, parse_id(visit.parameters["id"]))
    return Redirect("/console")
