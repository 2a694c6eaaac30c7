"""Segment calls of the vendor's Segments page, and the `members` call of its clients."""

from typing import Final

from diglot.api import warnings
from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import format_seconds
from diglot.api.operation import Operation
from diglot.dialects.misar import formatting, wire
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.segments import calls, show
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.model.ids import format_prefixed_id
from diglot.model.segments import CountedSegment

_TAG: Final = "segments"
_SEGMENT_PATH: Final = "/segments/{segment_id:str}"


@handles(
    Operation(
        "listSegments",
        "GET",
        "/segments",
        _TAG,
        "List segments, newest first",
        scope="read",
        response=segments_wire.SegmentListAnswer,
        query=wire.PageQuery,
    )
)
async def list_segments(call: Call) -> segments_wire.SegmentListAnswer:
    paging, page = await calls.list_page(call)
    items = [show.show_segment_item(*shown) for shown in await calls.warn_each(call, page)]
    return segments_wire.SegmentListAnswer(
        success=True, data=segments_wire.SegmentListData(items, paging.to_pagination(page.total))
    )


@handles(
    Operation(
        "createSegment",
        "POST",
        "/segments",
        _TAG,
        "Create a segment and evaluate it immediately",
        scope="write",
        status=201,
        body=segments_wire.SegmentCreate,
        response=segments_wire.SegmentAnswer,
        deduplicated=True,
    ),
    calls.read_new_segment,
)
async def create_segment(call: Call) -> segments_wire.SegmentAnswer:
    return await show_segment(call, await calls.create_segment(call))


@handles(
    Operation(
        "getSegment",
        "GET",
        _SEGMENT_PATH,
        _TAG,
        "Get a segment with its rules and its member count",
        scope="read",
        response=segments_wire.SegmentAnswer,
    )
)
async def get_segment(call: Call) -> segments_wire.SegmentAnswer | bytes:
    return await calls.answer_segment(call, show_segment)


@handles(
    Operation(
        "updateSegment",
        "PATCH",
        _SEGMENT_PATH,
        _TAG,
        "Update a segment; changed rules are evaluated immediately",
        scope="write",
        body=segments_wire.SegmentPatch,
        response=segments_wire.SegmentAnswer,
    )
)
async def update_segment(call: Call) -> segments_wire.SegmentAnswer:
    return await show_segment(call, await calls.update_segment(call))


async def show_segment(call: Call, counted: CountedSegment) -> segments_wire.SegmentAnswer:
    """Show a segment with the warnings about its rules."""
    data = show.show_segment(counted, await calls.warn(call, counted))
    return segments_wire.SegmentAnswer(success=True, data=data)


delete_segment: Final = handles(
    Operation(
        "deleteSegment",
        "DELETE",
        _SEGMENT_PATH,
        _TAG,
        "Delete a segment; its contacts stay",
        scope="write",
        response=wire.Success,
        may_conflict=True,
    )
)(calls.delete_segment)


@handles(
    Operation(
        "previewSegment",
        "GET",
        f"{_SEGMENT_PATH}/preview",
        _TAG,
        "Get the 10 newest members and the member count",
        scope="read",
        response=segments_wire.PreviewAnswer,
    )
)
async def preview_segment(call: Call) -> segments_wire.PreviewAnswer:
    page = await calls.preview_segment(call)
    shown = await call.show_contacts(page.items, contacts_show.show_contact)
    assert page.revision is not None
    warned = await warnings.warn(call, page.rules, calls.CRITERIA_KEY)
    data = segments_wire.PreviewData(
        shown, page.total, formatting.format_time(page.as_of), page.revision, warned
    )
    return segments_wire.PreviewAnswer(success=True, data=data)


@handles(
    Operation(
        "refreshSegment",
        "POST",
        f"{_SEGMENT_PATH}/refresh",
        _TAG,
        "Evaluate a segment again; takes no body",
        scope="write",
        response=segments_wire.RefreshAnswer,
    )
)
async def refresh_segment(call: Call) -> segments_wire.RefreshAnswer:
    counted = await calls.refresh_segment(call)
    data = segments_wire.RefreshData(
        counted.count,
        format_seconds(counted.segment.last_calculated_at),
        formatting.format_time(counted.as_of),
        counted.segment.revision,
    )
    return segments_wire.RefreshAnswer(success=True, data=data)


list_segment_members: Final = handles(
    Operation(
        "listSegmentMembers",
        "GET",
        f"{_SEGMENT_PATH}/members",
        _TAG,
        "List the ids of the members, newest first",
        scope="read",
        query=segments_wire.MembersQuery,
        response=segments_wire.MembersAnswer,
        lists_members=True,
    )
)(calls.list_member_ids)


@handles(
    Operation(
        "changeSegmentMembers",
        "POST",
        f"{_SEGMENT_PATH}/members",
        _TAG,
        "Set, add or remove members of a static segment (an extension, as in the vendor's contacts platform)",
        scope="write",
        body=segments_wire.MembersChange,
        response=segments_wire.MembersChangedAnswer,
        may_conflict=True,
        extension=True,
    )
)
async def change_segment_members(call: Call) -> segments_wire.MembersChangedAnswer:
    counted = await calls.change_members(call)
    segment = counted.segment
    data = segments_wire.MembersChanged(
        format_prefixed_id(segment.id), counted.count, formatting.format_time(counted.as_of), segment.revision
    )
    return segments_wire.MembersChangedAnswer(success=True, data=data)


ENDPOINTS: Final = (
    list_segments,
    create_segment,
    get_segment,
    update_segment,
    delete_segment,
    preview_segment,
    refresh_segment,
    list_segment_members,
    change_segment_members,
)
