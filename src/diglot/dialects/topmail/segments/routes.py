"""Segment calls of the vendor's Segments page."""

from typing import Final

from msgspec import UNSET, UnsetType

from diglot.api import warnings
from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.as_of import add_as_of_header, to_as_of
from diglot.api.extensions.known_answers import answer_known
from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.api.operation import Operation
from diglot.api.rules.writing import write_condition
from diglot.conditions.tree import DRAFT
from diglot.dialects.topmail import pagination, wire, words
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.dialects.topmail.formatting import format_time
from diglot.dialects.topmail.segments import show
from diglot.dialects.topmail.segments import wire as segments_wire
from diglot.dialects.topmail.words import WORDS
from diglot.model.contacts import Contact
from diglot.model.ids import parse_id
from diglot.model.pages import HistoricalPage, MemberPage
from diglot.model.segments import Condition, MemberCount, OriginalText, Segment
from diglot.service.audience.segments import NewSegment
from diglot.service.audience.segments import SegmentPatch as SegmentChange

_TAG: Final = "segments"
_CONDITION_KEY: Final = "conditions"
_SEGMENT_PATH: Final = "/segments/{segment_id:str}"
_DRAFT_CONDITION: Final = Condition(DRAFT, OriginalText(words.DIALECT_NAME, write_condition(DRAFT, WORDS)))


@handles(
    Operation(
        "listSegments",
        "GET",
        "/segments",
        _TAG,
        "List segments, newest first",
        scope="contacts:read",
        query=segments_wire.SegmentQuery,
        response=segments_wire.SegmentListAnswer,
    )
)
async def list_segments(call: Call) -> segments_wire.SegmentListAnswer:
    query = call.read_query(segments_wire.SegmentQuery, "search")
    window, search = pagination.to_window(query), None if query.search is UNSET else query.search
    page = await call.services.segments.list_page(call.caller, window, search)
    warned = await warnings.warn_each(call, [segment.rules for segment in page.items], _CONDITION_KEY)
    return segments_wire.SegmentListAnswer(
        list(map(show.show_segment, page.items, warned)), pagination.to_pagination(window, page.total)
    )


def _read_new_segment(call: Call, sent: bytes) -> NewSegment:
    reader = BodyReader(request_body.parse_object(sent, unique_keys=True))
    body = reader.read(segments_wire.SegmentCreate, "name")
    condition = _read_condition(call, reader)
    reader.raise_faults()
    new = NewSegment(body.name, _DRAFT_CONDITION if condition is UNSET else condition)
    call.services.segments.prepare(call.caller, new)
    return new


@handles(
    Operation(
        "createSegment",
        "POST",
        "/segments",
        _TAG,
        "Create a segment",
        scope="contacts:write",
        status=201,
        body=segments_wire.SegmentCreate,
        response=segments_wire.SegmentAnswer,
        deduplicated=True,
    ),
    _read_new_segment,
)
async def create_segment(call: Call) -> segments_wire.SegmentAnswer:
    new = await call.read_input(_read_new_segment)
    segment = await call.services.segments.create(call.caller, new)
    return await show_segment(call, segment)


@handles(
    Operation(
        "getSegment",
        "GET",
        _SEGMENT_PATH,
        _TAG,
        "Get a segment",
        scope="contacts:read",
        response=segments_wire.SegmentAnswer,
    )
)
async def get_segment(call: Call) -> segments_wire.SegmentAnswer | bytes:
    id_ = parse_id(call.path_parameters["segment_id"])
    found = await call.services.segments.find_known(call.caller, id_, counted=False)
    if found is None:
        return await show_segment(call, await call.services.segments.read_with_next_change(call.caller, id_))
    known, _ = found
    return await answer_known(call, known, lambda: show_segment(call, known.segment), None)


@handles(
    Operation(
        "updateSegment",
        "PATCH",
        _SEGMENT_PATH,
        _TAG,
        "Update a segment; fields that are left out stay",
        scope="contacts:write",
        body=segments_wire.SegmentPatch,
        response=segments_wire.SegmentAnswer,
    )
)
async def update_segment(call: Call) -> segments_wire.SegmentAnswer:
    id_ = parse_id(call.path_parameters["segment_id"])
    async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
        reader = BodyReader(await call.read_object(unique_keys=True))
        body = reader.read(segments_wire.SegmentPatch, "name")
        condition = _read_condition(call, reader)
        reader.raise_faults()
    change = SegmentChange(name=body.name, condition=condition)
    segment = await call.services.segments.update(call.caller, id_, change)
    return await show_segment(call, segment)


@handles(
    Operation(
        "deleteSegment",
        "DELETE",
        _SEGMENT_PATH,
        _TAG,
        "Delete a segment; its contacts stay",
        scope="contacts:delete",
        response=wire.DeletedAnswer,
        may_conflict=True,
    )
)
async def delete_segment(call: Call) -> wire.DeletedAnswer:
    await call.services.segments.delete(call.caller, parse_id(call.path_parameters["segment_id"]))
    return wire.DeletedAnswer(wire.Deleted(success=True))


@handles(
    Operation(
        "estimateSegment",
        "POST",
        f"{_SEGMENT_PATH}/estimate",
        _TAG,
        "Count the contacts of a segment; takes no body",
        scope="contacts:read",
        response=segments_wire.EstimateAnswer,
    )
)
async def estimate_segment(call: Call) -> segments_wire.EstimateAnswer | bytes:
    id_ = parse_id(call.path_parameters["segment_id"])
    found = await call.services.segments.find_known(call.caller, id_)
    if found is None:
        return await _show_estimate(call, await call.services.segments.count_members(call.caller, id_))
    known, as_of = found
    time = format_time(as_of)
    return await answer_known(call, known, lambda: _show_estimate(call, known.member_count(as_of)), time)


@handles(
    Operation(
        "listSegmentContacts",
        "GET",
        f"{_SEGMENT_PATH}/contacts",
        _TAG,
        "List the contacts of a segment, newest first",
        scope="contacts:read",
        query=segments_wire.SegmentContactsQuery,
        response=contacts_wire.SegmentContactsAnswer,
        lists_members=True,
    )
)
async def list_segment_contacts(call: Call) -> contacts_wire.SegmentContactsAnswer:
    id_ = parse_id(call.path_parameters["segment_id"])
    async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
        query = call.read_query(segments_wire.SegmentContactsQuery)
    window, as_of = pagination.to_window(query), to_as_of(query.as_of, call.caller.zone)
    page: MemberPage[Contact] | HistoricalPage[Contact]
    if as_of is None:
        page = await call.services.segments.list_members(call.caller, id_, window)
    else:
        page = await call.services.membership_history.list_members(call.caller, id_, window, as_of)
    add_as_of_header(call, page)
    shown = await call.show_contacts(page.items, contacts_show.show_contact)
    return contacts_wire.SegmentContactsAnswer(shown, pagination.to_members_pagination(window, page))


async def read_dry_run(call: Call) -> tuple[Condition, str | None]:
    """Return the condition of a dry run, and the segment whose conditions it would replace."""
    reader = BodyReader(await call.read_object(unique_keys=True))
    if reader.has("segment_id"):
        # Without conditions, the dry run would compare the segment with itself.
        reader.require("conditions")
    reader.read(segments_wire.DryRun, "name")
    condition = _read_condition(call, reader)
    segment_id = reader.read(segments_wire.DryRun, "segment_id").segment_id
    reader.raise_faults()
    return (
        _DRAFT_CONDITION if condition is UNSET else condition,
        None if segment_id is UNSET else segment_id,
    )


async def _show_estimate(call: Call, count: MemberCount) -> segments_wire.EstimateAnswer:
    warned = await warnings.warn(call, count.rules, _CONDITION_KEY)
    return segments_wire.EstimateAnswer(show.show_estimate(count, warned))


async def show_segment(call: Call, segment: Segment) -> segments_wire.SegmentAnswer:
    """Show a segment with the warnings about its rules."""
    warned = await warnings.warn(call, segment.rules, _CONDITION_KEY)
    return segments_wire.SegmentAnswer(show.show_segment(segment, warned))


def _read_condition(call: Call, reader: BodyReader) -> Condition | UnsetType:
    return reader.read_condition(_CONDITION_KEY, words.DIALECT_NAME, WORDS, strict=call.services.strict)


ENDPOINTS: Final = (
    list_segments,
    create_segment,
    get_segment,
    update_segment,
    delete_segment,
    estimate_segment,
    list_segment_contacts,
)
