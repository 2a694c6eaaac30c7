"""Segments on the routes without a version, in the shapes of the vendor's TypeScript client.

They do what the versioned ones do, and show it otherwise.
"""

from dataclasses import replace
from typing import Final

import msgspec

from diglot.api.call import Call
from diglot.api.endpoint import Endpoint, handles
from diglot.api.operation import Operation
from diglot.dialects.misar import formatting, wire
from diglot.dialects.misar.segments import calls, routes
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.dialects.misar.unversioned import show as unversioned_show
from diglot.dialects.misar.unversioned import wire as unversioned_wire

_TAG: Final = "root segments"


def _as(versioned: Endpoint, id_: str, answer: type[msgspec.Struct]) -> Operation:
    """Return a versioned call as one of these, with an id and an answer of its own."""
    return replace(versioned.operation, id=id_, tag=_TAG, answer=answer)


@handles(_as(routes.list_segments, "listRootSegments", unversioned_wire.RootSegmentListAnswer))
async def list_root_segments(call: Call) -> unversioned_wire.RootSegmentListAnswer:
    paging, page = await calls.page(call)
    shown = [unversioned_show.segment(one) for one in page.items]
    pagination = unversioned_show.pagination(paging, page.total)
    return unversioned_wire.RootSegmentListAnswer(success=True, data=shown, pagination=pagination)


@handles(_as(routes.create_segment, "createRootSegment", unversioned_wire.RootSegmentAnswer))
async def create_root_segment(call: Call) -> unversioned_wire.RootSegmentAnswer:
    return unversioned_show.answer(await calls.create(call))


@handles(_as(routes.get_segment, "getRootSegment", unversioned_wire.RootSegmentAnswer))
async def get_root_segment(call: Call) -> unversioned_wire.RootSegmentAnswer:
    return unversioned_show.answer(await calls.get(call))


@handles(_as(routes.update_segment, "updateRootSegment", unversioned_wire.RootSegmentAnswer))
async def update_root_segment(call: Call) -> unversioned_wire.RootSegmentAnswer:
    return unversioned_show.answer(await calls.change(call))


@handles(
    Operation(
        "previewRootSegment",
        "POST",
        routes.preview_segment.operation.path,
        _TAG,
        "Count and sample who matches rules that are not stored, or a segment's own; `new` names no segment",
        scope="read",
        body=unversioned_wire.RootPreview,
        body_optional=True,
        answer=unversioned_wire.RootPreviewAnswer,
    )
)
async def preview_root_segment(call: Call) -> unversioned_wire.RootPreviewAnswer:
    page = await calls.preview_given(call)
    shown = [unversioned_show.contact(one) for one in page.items]
    data = unversioned_wire.RootPreviewData(page.total, shown, formatting.time(page.as_of), page.revision)
    return unversioned_wire.RootPreviewAnswer(success=True, data=data)


@handles(_as(routes.refresh_segment, "refreshRootSegment", unversioned_wire.RootRefreshAnswer))
async def refresh_root_segment(call: Call) -> unversioned_wire.RootRefreshAnswer:
    shown = unversioned_show.segment(await calls.refresh(call))
    data = unversioned_wire.RootRefreshData(
        shown.id, shown.contact_count, shown.last_calculated_at, shown.count_as_of, shown.revision
    )
    return unversioned_wire.RootRefreshAnswer(success=True, data=data)


ENDPOINTS: Final = (
    list_root_segments,
    create_root_segment,
    get_root_segment,
    update_root_segment,
    handles(_as(routes.delete_segment, "deleteRootSegment", wire.Success))(calls.delete),
    preview_root_segment,
    refresh_root_segment,
    handles(_as(routes.list_segment_members, "listRootSegmentMembers", segments_wire.MembersAnswer))(
        calls.member_ids
    ),
)
