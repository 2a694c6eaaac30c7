"""Segments on the routes without a version, in the shapes of the vendor's TypeScript client.

They do what the versioned ones do, and show it otherwise.
"""

from dataclasses import replace
from typing import Final

import msgspec

from diglot.dialects.dialect import Call
from diglot.dialects.misar import segment_calls, show, show_root, wire, wire_root
from diglot.dialects.misar.routes import segments
from diglot.dialects.operations import Endpoint, Operation

_TAG: Final = "root segments"


def _as(versioned: Endpoint, id_: str, answer: type[msgspec.Struct]) -> Operation:
    """Return a versioned call as one of these, with an id and an answer of its own."""
    return replace(versioned.operation, id=id_, tag=_TAG, answer=answer)


@_as(segments.list_segments, "listRootSegments", wire_root.RootSegmentListAnswer).handled_by
async def list_root_segments(call: Call) -> wire_root.RootSegmentListAnswer:
    paging, page = await segment_calls.page(call)
    shown = [show_root.segment(one) for one in page.items]
    pagination = show_root.pagination(paging, page.total)
    return wire_root.RootSegmentListAnswer(success=True, data=shown, pagination=pagination)


@_as(segments.create_segment, "createRootSegment", wire_root.RootSegmentAnswer).handled_by
async def create_root_segment(call: Call) -> wire_root.RootSegmentAnswer:
    return show_root.answer(await segment_calls.create(call))


@_as(segments.get_segment, "getRootSegment", wire_root.RootSegmentAnswer).handled_by
async def get_root_segment(call: Call) -> wire_root.RootSegmentAnswer:
    return show_root.answer(await segment_calls.get(call))


@_as(segments.update_segment, "updateRootSegment", wire_root.RootSegmentAnswer).handled_by
async def update_root_segment(call: Call) -> wire_root.RootSegmentAnswer:
    return show_root.answer(await segment_calls.change(call))


@Operation(
    "previewRootSegment",
    "POST",
    segments.preview_segment.operation.path,
    _TAG,
    "Count and sample who matches rules that are not stored, or a segment's own; `new` names no segment",
    scope="read",
    body=wire_root.RootPreview,
    body_optional=True,
    answer=wire_root.RootPreviewAnswer,
).handled_by
async def preview_root_segment(call: Call) -> wire_root.RootPreviewAnswer:
    page = await segment_calls.preview_given(call)
    shown = [show_root.contact(one) for one in page.items]
    data = wire_root.RootPreviewData(page.total, shown, show.time(page.as_of), page.revision)
    return wire_root.RootPreviewAnswer(success=True, data=data)


@_as(segments.refresh_segment, "refreshRootSegment", wire_root.RootRefreshAnswer).handled_by
async def refresh_root_segment(call: Call) -> wire_root.RootRefreshAnswer:
    shown = show_root.segment(await segment_calls.refresh(call))
    data = wire_root.RootRefreshData(
        shown.id, shown.contact_count, shown.last_calculated_at, shown.count_as_of, shown.revision
    )
    return wire_root.RootRefreshAnswer(success=True, data=data)


ENDPOINTS: Final = (
    list_root_segments,
    create_root_segment,
    get_root_segment,
    update_root_segment,
    _as(segments.delete_segment, "deleteRootSegment", wire.Success).handled_by(segment_calls.delete),
    preview_root_segment,
    refresh_root_segment,
    _as(segments.list_segment_members, "listRootSegmentMembers", wire.MembersAnswer).handled_by(
        segment_calls.member_ids
    ),
)
