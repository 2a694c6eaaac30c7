"""Segments, as on the vendor's Segments page; `members` as its clients call it."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.operation import Operation
from diglot.dialects.misar import formatting, wire
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.segments import calls, show
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.model.ids import format_prefixed_id

_TAG: Final = "segments"
_ONE: Final = "/segments/{segment_id:str}"


@handles(
    Operation(
        "listSegments",
        "GET",
        "/segments",
        _TAG,
        "List segments, newest first",
        scope="read",
        answer=segments_wire.SegmentListAnswer,
        query=wire.PageQuery,
    )
)
async def list_segments(call: Call) -> segments_wire.SegmentListAnswer:
    paging, page = await calls.page(call)
    items = [show.segment_item(one) for one in page.items]
    return segments_wire.SegmentListAnswer(
        success=True, data=segments_wire.SegmentListData(items, paging.shown(page.total))
    )


@handles(
    Operation(
        "createSegment",
        "POST",
        "/segments",
        _TAG,
        "Create a segment and evaluate it at once",
        scope="write",
        status=201,
        body=segments_wire.SegmentCreate,
        answer=segments_wire.SegmentAnswer,
        retried=True,
    )
)
async def create_segment(call: Call) -> segments_wire.SegmentAnswer:
    return segments_wire.SegmentAnswer(success=True, data=show.segment(await calls.create(call)))


@handles(
    Operation(
        "getSegment",
        "GET",
        _ONE,
        _TAG,
        "Get a segment with its rules and its count",
        scope="read",
        answer=segments_wire.SegmentAnswer,
    )
)
async def get_segment(call: Call) -> segments_wire.SegmentAnswer:
    return segments_wire.SegmentAnswer(success=True, data=show.segment(await calls.get(call)))


@handles(
    Operation(
        "updateSegment",
        "PATCH",
        _ONE,
        _TAG,
        "Change a segment; changed rules are evaluated at once",
        scope="write",
        body=segments_wire.SegmentPatch,
        answer=segments_wire.SegmentAnswer,
    )
)
async def update_segment(call: Call) -> segments_wire.SegmentAnswer:
    return segments_wire.SegmentAnswer(success=True, data=show.segment(await calls.change(call)))


delete_segment: Final = handles(
    Operation(
        "deleteSegment",
        "DELETE",
        _ONE,
        _TAG,
        "Delete a segment; its contacts stay",
        scope="write",
        answer=wire.Success,
    )
)(calls.delete)


@handles(
    Operation(
        "previewSegment",
        "GET",
        f"{_ONE}/preview",
        _TAG,
        "Preview the members: the 10 newest, and how many there are",
        scope="read",
        answer=segments_wire.PreviewAnswer,
    )
)
async def preview_segment(call: Call) -> segments_wire.PreviewAnswer:
    page = await calls.preview(call)
    shown = [contacts_show.contact(one) for one in page.items]
    assert page.revision is not None
    data = segments_wire.PreviewData(shown, page.total, formatting.time(page.as_of), page.revision)
    return segments_wire.PreviewAnswer(success=True, data=data)


@handles(
    Operation(
        "refreshSegment",
        "POST",
        f"{_ONE}/refresh",
        _TAG,
        "Recalculate membership; takes no body",
        scope="write",
        answer=segments_wire.RefreshAnswer,
    )
)
async def refresh_segment(call: Call) -> segments_wire.RefreshAnswer:
    shown = show.segment(await calls.refresh(call))
    data = segments_wire.RefreshData(
        shown.contact_count, shown.last_calculated_at, shown.count_as_of, shown.revision
    )
    return segments_wire.RefreshAnswer(success=True, data=data)


list_segment_members: Final = handles(
    Operation(
        "listSegmentMembers",
        "GET",
        f"{_ONE}/members",
        _TAG,
        "List the ids of the members, newest first",
        scope="read",
        query=segments_wire.MembersQuery,
        answer=segments_wire.MembersAnswer,
        lists_members=True,
    )
)(calls.member_ids)


@handles(
    Operation(
        "changeSegmentMembers",
        "POST",
        f"{_ONE}/members",
        _TAG,
        "Change the members of a static segment by hand (an extension, as in the vendor's contacts platform)",
        scope="write",
        body=segments_wire.MembersChange,
        answer=segments_wire.MembersChangedAnswer,
        conflict=True,
        extension=True,
    )
)
async def change_segment_members(call: Call) -> segments_wire.MembersChangedAnswer:
    counted = await calls.change_members(call)
    one = counted.segment
    data = segments_wire.MembersChanged(
        format_prefixed_id(one.id), counted.count, formatting.time(counted.as_of), one.revision
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
