"""Segments, as on the vendor's Segments page; `members` as its clients call it."""

from typing import Final

from diglot.api.dialect import Call
from diglot.api.operation import Operation
from diglot.dialects.misar import wire
from diglot.dialects.misar.segments import calls, members_wire, show
from diglot.model.ids import prefixed

_TAG: Final = "segments"
_ONE: Final = "/segments/{segment_id:str}"


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
    paging, page = await calls.page(call)
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
    return wire.SegmentAnswer(success=True, data=show.segment(await calls.create(call)))


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
    return wire.SegmentAnswer(success=True, data=show.segment(await calls.get(call)))


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
    return wire.SegmentAnswer(success=True, data=show.segment(await calls.change(call)))


delete_segment: Final = Operation(
    "deleteSegment",
    "DELETE",
    _ONE,
    _TAG,
    "Delete a segment; its contacts stay",
    scope="write",
    answer=wire.Success,
).handled_by(calls.delete)


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
    page = await calls.preview(call)
    shown = [show.contact(one) for one in page.items]
    assert page.revision is not None
    data = wire.PreviewData(shown, page.total, show.time(page.as_of), page.revision)
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
    shown = show.segment(await calls.refresh(call))
    data = wire.RefreshData(shown.contact_count, shown.last_calculated_at, shown.count_as_of, shown.revision)
    return wire.RefreshAnswer(success=True, data=data)


list_segment_members: Final = Operation(
    "listSegmentMembers",
    "GET",
    f"{_ONE}/members",
    _TAG,
    "List the ids of the members, newest first",
    scope="read",
    query=wire.MembersQuery,
    answer=wire.MembersAnswer,
    lists_members=True,
).handled_by(calls.member_ids)


@Operation(
    "changeSegmentMembers",
    "POST",
    f"{_ONE}/members",
    _TAG,
    "Change the members of a static segment by hand (an extension, as in the vendor's contacts platform)",
    scope="write",
    body=members_wire.MembersChange,
    answer=members_wire.MembersChangedAnswer,
    conflict=True,
    extension=True,
).handled_by
async def change_segment_members(call: Call) -> members_wire.MembersChangedAnswer:
    counted = await calls.change_members(call)
    one = counted.segment
    data = members_wire.MembersChanged(
        prefixed(one.id), counted.count, show.time(counted.as_of), one.revision
    )
    return members_wire.MembersChangedAnswer(success=True, data=data)


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
