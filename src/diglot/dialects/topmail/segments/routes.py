"""Segments, as on the vendor's Segments page."""

from typing import Final

from diglot.api import query_string
from diglot.api.body_reader import Missing, Reader
from diglot.api.dialect import Call
from diglot.api.extensions.as_of import read_as_of, tell
from diglot.api.operation import Operation
from diglot.api.rules import write
from diglot.conditions.tree import DRAFT
from diglot.dialects.topmail import pagination, wire
from diglot.dialects.topmail.segments import show
from diglot.dialects.topmail.words import WORDS
from diglot.model.contacts import Contact
from diglot.model.ids import read_id
from diglot.model.pages import MemberPage, PastPage
from diglot.model.segments import Condition, Source
from diglot.service.audience.segments import KEEP, NewSegment, SegmentChange

_TAG: Final = "segments"
_ONE: Final = "/segments/{segment_id:str}"
LONGEST_NAME: Final = 100
DRAFT_CONDITION: Final = Condition(DRAFT, Source(show.NAME, write(DRAFT, WORDS)))


@Operation(
    "listSegments",
    "GET",
    "/segments",
    _TAG,
    "List segments, newest first",
    scope="contacts:read",
    query=wire.SegmentQuery,
    answer=wire.SegmentListAnswer,
).handled_by
async def list_segments(call: Call) -> wire.SegmentListAnswer:
    query = call.query
    search = query_string.text(query, "search")
    window = pagination.read(query)
    page = await call.services.segments.page(call.caller, window, search)
    return wire.SegmentListAnswer(
        [show.segment(one) for one in page.items], pagination.shown(window, page.total)
    )


@Operation(
    "createSegment",
    "POST",
    "/segments",
    _TAG,
    "Create a segment",
    scope="contacts:write",
    status=201,
    body=wire.SegmentCreate,
    answer=wire.SegmentAnswer,
    retried=True,
).handled_by
async def create_segment(call: Call) -> wire.SegmentAnswer:
    reader = Reader(await call.members(unique=True))
    reader.required("name")
    name = reader.name("name", LONGEST_NAME)
    condition = reader.condition("conditions", show.NAME, WORDS, call.caller, strict=call.services.strict)
    reader.finish()
    assert not isinstance(name, Missing)
    new = NewSegment(name, DRAFT_CONDITION if isinstance(condition, Missing) else condition)
    segment = await call.services.segments.create(call.caller, new)
    return wire.SegmentAnswer(show.segment(segment))


@Operation(
    "getSegment",
    "GET",
    _ONE,
    _TAG,
    "Get a segment",
    scope="contacts:read",
    answer=wire.SegmentAnswer,
).handled_by
async def get_segment(call: Call) -> wire.SegmentAnswer:
    segment = await call.services.segments.look(call.caller, read_id(call.path["segment_id"]))
    return wire.SegmentAnswer(show.segment(segment))


@Operation(
    "updateSegment",
    "PATCH",
    _ONE,
    _TAG,
    "Change a segment; what is not given stays",
    scope="contacts:write",
    body=wire.SegmentPatch,
    answer=wire.SegmentAnswer,
).handled_by
async def update_segment(call: Call) -> wire.SegmentAnswer:
    id_ = read_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        reader = Reader(await call.members(unique=True))
        name = reader.name("name", LONGEST_NAME)
        condition = reader.condition("conditions", show.NAME, WORDS, call.caller, strict=call.services.strict)
        reader.finish()
    change = SegmentChange(
        name=KEEP if isinstance(name, Missing) else name,
        condition=KEEP if isinstance(condition, Missing) else condition,
    )
    segment = await call.services.segments.change(call.caller, id_, change)
    return wire.SegmentAnswer(show.segment(segment))


@Operation(
    "deleteSegment",
    "DELETE",
    _ONE,
    _TAG,
    "Delete a segment; its contacts stay",
    scope="contacts:delete",
    answer=wire.DeletedAnswer,
).handled_by
async def delete_segment(call: Call) -> wire.DeletedAnswer:
    await call.services.segments.delete(call.caller, read_id(call.path["segment_id"]))
    return wire.DeletedAnswer(wire.Deleted(success=True))


@Operation(
    "estimateSegment",
    "POST",
    f"{_ONE}/estimate",
    _TAG,
    "Count the contacts of a segment; takes no body",
    scope="contacts:read",
    answer=wire.EstimateAnswer,
).handled_by
async def estimate_segment(call: Call) -> wire.EstimateAnswer:
    count = await call.services.segments.estimate(call.caller, read_id(call.path["segment_id"]))
    return wire.EstimateAnswer(show.estimate(count))


@Operation(
    "listSegmentContacts",
    "GET",
    f"{_ONE}/contacts",
    _TAG,
    "List the contacts of a segment, newest first",
    scope="contacts:read",
    query=wire.SegmentContactsQuery,
    answer=wire.SegmentContactsAnswer,
    lists_members=True,
).handled_by
async def list_segment_contacts(call: Call) -> wire.SegmentContactsAnswer:
    id_ = read_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        window, as_of = pagination.read(call.query), read_as_of(call)
    page: MemberPage[Contact] | PastPage[Contact]
    if as_of is None:
        page = await call.services.segments.members(call.caller, id_, window)
    else:
        page = await call.services.past.members(call.caller, id_, window, as_of)
    tell(call, page)
    shown = [show.contact(one) for one in page.items]
    return wire.SegmentContactsAnswer(shown, pagination.shown_to_members(window, page))


ENDPOINTS: Final = (
    list_segments,
    create_segment,
    get_segment,
    update_segment,
    delete_segment,
    estimate_segment,
    list_segment_contacts,
)
