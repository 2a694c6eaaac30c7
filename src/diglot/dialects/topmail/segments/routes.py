"""Segments, as on the vendor's Segments page."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.as_of import read_as_of, tell
from diglot.api.input import query_string
from diglot.api.input.body_reader import Missing, Reader
from diglot.api.operation import Operation
from diglot.api.rules import write
from diglot.conditions.tree import DRAFT
from diglot.dialects.topmail import pagination, wire, words
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.dialects.topmail.segments import show
from diglot.dialects.topmail.segments import wire as segments_wire
from diglot.dialects.topmail.words import WORDS
from diglot.model.contacts import Contact
from diglot.model.ids import parse_id
from diglot.model.pages import HistoricalPage, MemberPage
from diglot.model.segments import Condition, OriginalText
from diglot.service.audience.segments import KEEP, NewSegment
from diglot.service.audience.segments import SegmentPatch as SegmentChange

_TAG: Final = "segments"
_ONE: Final = "/segments/{segment_id:str}"
LONGEST_NAME: Final = 100
DRAFT_CONDITION: Final = Condition(DRAFT, OriginalText(words.NAME, write(DRAFT, WORDS)))


@handles(
    Operation(
        "listSegments",
        "GET",
        "/segments",
        _TAG,
        "List segments, newest first",
        scope="contacts:read",
        query=segments_wire.SegmentQuery,
        answer=segments_wire.SegmentListAnswer,
    )
)
async def list_segments(call: Call) -> segments_wire.SegmentListAnswer:
    query = call.query
    search = query_string.text(query, "search")
    window = pagination.read(query)
    page = await call.services.segments.list_page(call.caller, window, search)
    return segments_wire.SegmentListAnswer(
        [show.segment(one) for one in page.items], pagination.shown(window, page.total)
    )


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
        answer=segments_wire.SegmentAnswer,
        retried=True,
    )
)
async def create_segment(call: Call) -> segments_wire.SegmentAnswer:
    reader = Reader(await call.members(unique=True))
    reader.required("name")
    name = reader.name("name", LONGEST_NAME)
    condition = reader.condition("conditions", words.NAME, WORDS, call.caller, strict=call.services.strict)
    reader.finish()
    assert not isinstance(name, Missing)
    new = NewSegment(name, DRAFT_CONDITION if isinstance(condition, Missing) else condition)
    segment = await call.services.segments.create(call.caller, new)
    return segments_wire.SegmentAnswer(show.segment(segment))


@handles(
    Operation(
        "getSegment",
        "GET",
        _ONE,
        _TAG,
        "Get a segment",
        scope="contacts:read",
        answer=segments_wire.SegmentAnswer,
    )
)
async def get_segment(call: Call) -> segments_wire.SegmentAnswer:
    segment = await call.services.segments.get_with_next_change(
        call.caller, parse_id(call.path["segment_id"])
    )
    return segments_wire.SegmentAnswer(show.segment(segment))


@handles(
    Operation(
        "updateSegment",
        "PATCH",
        _ONE,
        _TAG,
        "Change a segment; what is not given stays",
        scope="contacts:write",
        body=segments_wire.SegmentPatch,
        answer=segments_wire.SegmentAnswer,
    )
)
async def update_segment(call: Call) -> segments_wire.SegmentAnswer:
    id_ = parse_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        reader = Reader(await call.members(unique=True))
        name = reader.name("name", LONGEST_NAME)
        condition = reader.condition(
            "conditions", words.NAME, WORDS, call.caller, strict=call.services.strict
        )
        reader.finish()
    change = SegmentChange(
        name=KEEP if isinstance(name, Missing) else name,
        condition=KEEP if isinstance(condition, Missing) else condition,
    )
    segment = await call.services.segments.update(call.caller, id_, change)
    return segments_wire.SegmentAnswer(show.segment(segment))


@handles(
    Operation(
        "deleteSegment",
        "DELETE",
        _ONE,
        _TAG,
        "Delete a segment; its contacts stay",
        scope="contacts:delete",
        answer=wire.DeletedAnswer,
    )
)
async def delete_segment(call: Call) -> wire.DeletedAnswer:
    await call.services.segments.delete(call.caller, parse_id(call.path["segment_id"]))
    return wire.DeletedAnswer(wire.Deleted(success=True))


@handles(
    Operation(
        "estimateSegment",
        "POST",
        f"{_ONE}/estimate",
        _TAG,
        "Count the contacts of a segment; takes no body",
        scope="contacts:read",
        answer=segments_wire.EstimateAnswer,
    )
)
async def estimate_segment(call: Call) -> segments_wire.EstimateAnswer:
    count = await call.services.segments.count_members(call.caller, parse_id(call.path["segment_id"]))
    return segments_wire.EstimateAnswer(show.estimate(count))


@handles(
    Operation(
        "listSegmentContacts",
        "GET",
        f"{_ONE}/contacts",
        _TAG,
        "List the contacts of a segment, newest first",
        scope="contacts:read",
        query=segments_wire.SegmentContactsQuery,
        answer=contacts_wire.SegmentContactsAnswer,
        lists_members=True,
    )
)
async def list_segment_contacts(call: Call) -> contacts_wire.SegmentContactsAnswer:
    id_ = parse_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        window, as_of = pagination.read(call.query), read_as_of(call)
    page: MemberPage[Contact] | HistoricalPage[Contact]
    if as_of is None:
        page = await call.services.segments.list_members(call.caller, id_, window)
    else:
        page = await call.services.membership_history.list_members(call.caller, id_, window, as_of)
    tell(call, page)
    shown = [contacts_show.contact(one) for one in page.items]
    return contacts_wire.SegmentContactsAnswer(shown, pagination.shown_to_members(window, page))


ENDPOINTS: Final = (
    list_segments,
    create_segment,
    get_segment,
    update_segment,
    delete_segment,
    estimate_segment,
    list_segment_contacts,
)
