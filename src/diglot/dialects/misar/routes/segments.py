"""Segments, as on the vendor's Segments page; `members` as its clients call it."""

from typing import Final

from diglot.dialects.dialect import Call
from diglot.dialects.members import Missing, Reader
from diglot.dialects.misar import pages, show, wire
from diglot.dialects.misar.conditions import WORDS
from diglot.dialects.operations import Operation
from diglot.model.ids import prefixed, read_id
from diglot.model.pages import Window
from diglot.model.segments import SegmentType
from diglot.service.segments import KEEP, NewSegment, SegmentChange

_TAG: Final = "segments"
_ONE: Final = "/segments/{segment_id:str}"
_PREVIEW: Final = Window(0, 10)
_LONGEST_NAME: Final = 200
_LONGEST_DESCRIPTION: Final = 1000
_TYPES: Final = tuple(each.value for each in SegmentType)


@Operation(
    "listSegments",
    "GET",
    "/segments",
    _TAG,
    "List segments, newest first",
    scope="read",
    answer=wire.SegmentListAnswer,
    query=wire.PageQuery,
).handled_by
async def list_segments(call: Call) -> wire.SegmentListAnswer:
    paging = pages.read(call.query)
    page = await call.services.segments.counted_page(call.caller, paging.window)
    items = [show.segment_item(one) for one in page.items]
    return wire.SegmentListAnswer(success=True, data=wire.SegmentListData(items, paging.shown(page.total)))


@Operation(
    "createSegment",
    "POST",
    "/segments",
    _TAG,
    "Create a segment and evaluate it at once",
    scope="write",
    status=201,
    body=wire.SegmentCreate,
    answer=wire.SegmentAnswer,
    retried=True,
).handled_by
async def create_segment(call: Call) -> wire.SegmentAnswer:
    reader = Reader(await call.members(unique=True))
    reader.required("name", "segment_type", "filter_criteria")
    name = reader.name("name", _LONGEST_NAME)
    description = reader.text_or_null("description", _LONGEST_DESCRIPTION)
    kind = reader.choice("segment_type", _TYPES)
    condition = reader.condition(
        "filter_criteria", show.NAME, WORDS, call.caller, strict=call.services.strict
    )
    reader.finish()
    assert not isinstance(name, Missing)
    assert not isinstance(kind, Missing)
    assert not isinstance(condition, Missing)
    text = None if isinstance(description, Missing) else description
    new = NewSegment(name, condition, text, SegmentType(kind))
    counted = await call.services.segments.create_counted(call.caller, new)
    return wire.SegmentAnswer(success=True, data=show.segment(counted))


@Operation(
    "getSegment",
    "GET",
    _ONE,
    _TAG,
    "Get a segment with its rules and its count",
    scope="read",
    answer=wire.SegmentAnswer,
).handled_by
async def get_segment(call: Call) -> wire.SegmentAnswer:
    counted = await call.services.segments.counted(call.caller, read_id(call.path["segment_id"]))
    return wire.SegmentAnswer(success=True, data=show.segment(counted))


@Operation(
    "updateSegment",
    "PATCH",
    _ONE,
    _TAG,
    "Change a segment; changed rules are evaluated at once",
    scope="write",
    body=wire.SegmentPatch,
    answer=wire.SegmentAnswer,
).handled_by
async def update_segment(call: Call) -> wire.SegmentAnswer:
    id_ = read_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        change = await _change(call)
    counted = await call.services.segments.change_counted(call.caller, id_, change)
    return wire.SegmentAnswer(success=True, data=show.segment(counted))


async def _change(call: Call) -> SegmentChange:
    reader = Reader(await call.members(unique=True))
    name = reader.name("name", _LONGEST_NAME)
    description = reader.text_or_null("description", _LONGEST_DESCRIPTION)
    if reader.has("segment_type"):
        reader.fault(("segment_type",), "The type of a segment cannot be changed")
    condition = reader.condition(
        "filter_criteria", show.NAME, WORDS, call.caller, strict=call.services.strict
    )
    reader.finish()
    return SegmentChange(
        KEEP if isinstance(name, Missing) else name,
        KEEP if isinstance(description, Missing) else description,
        KEEP if isinstance(condition, Missing) else condition,
    )


@Operation(
    "deleteSegment",
    "DELETE",
    _ONE,
    _TAG,
    "Delete a segment; its contacts stay",
    scope="write",
    answer=wire.Success,
).handled_by
async def delete_segment(call: Call) -> wire.Success:
    await call.services.segments.delete(call.caller, read_id(call.path["segment_id"]))
    return wire.Success(success=True)


@Operation(
    "previewSegment",
    "GET",
    f"{_ONE}/preview",
    _TAG,
    "Preview the members: the 10 newest, and how many there are",
    scope="read",
    answer=wire.PreviewAnswer,
).handled_by
async def preview_segment(call: Call) -> wire.PreviewAnswer:
    page = await call.services.segments.members(call.caller, read_id(call.path["segment_id"]), _PREVIEW)
    data = wire.PreviewData([show.contact(one) for one in page.items], page.total)
    return wire.PreviewAnswer(success=True, data=data)


@Operation(
    "refreshSegment",
    "POST",
    f"{_ONE}/refresh",
    _TAG,
    "Recalculate membership; takes no body",
    scope="write",
    answer=wire.RefreshAnswer,
).handled_by
async def refresh_segment(call: Call) -> wire.RefreshAnswer:
    counted = await call.services.segments.refresh(call.caller, read_id(call.path["segment_id"]))
    shown = show.segment(counted)
    data = wire.RefreshData(shown.contact_count, shown.last_calculated_at)
    return wire.RefreshAnswer(success=True, data=data)


@Operation(
    "listSegmentMembers",
    "GET",
    f"{_ONE}/members",
    _TAG,
    "List the ids of the members, newest first",
    scope="read",
    query=wire.PageQuery,
    answer=wire.MembersAnswer,
).handled_by
async def list_segment_members(call: Call) -> wire.MembersAnswer:
    id_ = read_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        paging = pages.read(call.query)
    segment, page = await call.services.segments.member_ids(call.caller, id_, paging.window)
    return wire.MembersAnswer(
        success=True,
        data=wire.MembersData(prefixed(segment.id), list(page.items)),
        pagination=paging.shown_to_members(page.total),
    )


ENDPOINTS: Final = (
    list_segments,
    create_segment,
    get_segment,
    update_segment,
    delete_segment,
    preview_segment,
    refresh_segment,
    list_segment_members,
)
