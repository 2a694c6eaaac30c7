"""Segment calls on the routes without a version, in the format of the vendor's TypeScript client.

They do the same as the versioned calls, and differ only in their responses.
"""

from dataclasses import replace
from typing import Final

import msgspec

from diglot.api import warnings
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint, handles
from diglot.api.formatting import format_seconds
from diglot.api.operation import Operation
from diglot.dialects.misar import formatting, wire
from diglot.dialects.misar.segments import calls, routes
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.dialects.misar.unversioned import show as unversioned_show
from diglot.dialects.misar.unversioned import wire as unversioned_wire
from diglot.model.ids import format_prefixed_id
from diglot.model.segments import CountedSegment

_TAG: Final = "root segments"


def _derive_operation(versioned: Endpoint, id_: str, answer: type[msgspec.Struct]) -> Operation:
    """Return a versioned call as an unversioned one, with its own id and response."""
    return replace(versioned.operation, id=id_, tag=_TAG, response=answer)


@handles(_derive_operation(routes.list_segments, "listRootSegments", unversioned_wire.RootSegmentListAnswer))
async def list_root_segments(call: Call) -> unversioned_wire.RootSegmentListAnswer:
    paging, page = await calls.list_page(call)
    shown = [unversioned_show.show_segment(*pair) for pair in await calls.warn_each(call, page)]
    pagination = unversioned_show.show_pagination(paging, page.total)
    return unversioned_wire.RootSegmentListAnswer(success=True, data=shown, pagination=pagination)


@handles(
    _derive_operation(routes.create_segment, "createRootSegment", unversioned_wire.RootSegmentAnswer),
    calls.read_new_segment,
)
async def create_root_segment(call: Call) -> unversioned_wire.RootSegmentAnswer:
    return await _show_segment(call, await calls.create_segment(call))


@handles(_derive_operation(routes.get_segment, "getRootSegment", unversioned_wire.RootSegmentAnswer))
async def get_root_segment(call: Call) -> unversioned_wire.RootSegmentAnswer | bytes:
    return await calls.answer_segment(call, _show_segment)


@handles(_derive_operation(routes.update_segment, "updateRootSegment", unversioned_wire.RootSegmentAnswer))
async def update_root_segment(call: Call) -> unversioned_wire.RootSegmentAnswer:
    return await _show_segment(call, await calls.update_segment(call))


async def _show_segment(call: Call, counted: CountedSegment) -> unversioned_wire.RootSegmentAnswer:
    return unversioned_show.show_segment_answer(counted, await calls.warn(call, counted))


@handles(
    Operation(
        "previewRootSegment",
        "POST",
        routes.preview_segment.operation.path,
        _TAG,
        "Count and sample the contacts that match unstored rules, or a segment's own; `new` names no segment",
        scope="read",
        body=unversioned_wire.RootPreview,
        body_optional=True,
        response=unversioned_wire.RootPreviewAnswer,
    )
)
async def preview_root_segment(call: Call) -> unversioned_wire.RootPreviewAnswer:
    page = await calls.preview_body_or_segment(call)
    shown = [unversioned_show.show_sample_contact(contact) for contact in page.items]
    warned = await warnings.warn(call, page.rules, calls.CRITERIA_KEY)
    data = unversioned_wire.RootPreviewData(
        page.total, shown, formatting.format_time(page.as_of), page.revision, warned
    )
    return unversioned_wire.RootPreviewAnswer(success=True, data=data)


@handles(_derive_operation(routes.refresh_segment, "refreshRootSegment", unversioned_wire.RootRefreshAnswer))
async def refresh_root_segment(call: Call) -> unversioned_wire.RootRefreshAnswer:
    counted = await calls.refresh_segment(call)
    data = unversioned_wire.RootRefreshData(
        format_prefixed_id(counted.segment.id),
        counted.count,
        format_seconds(counted.segment.last_calculated_at),
        formatting.format_time(counted.as_of),
        counted.segment.revision,
    )
    return unversioned_wire.RootRefreshAnswer(success=True, data=data)


ENDPOINTS: Final = (
    list_root_segments,
    create_root_segment,
    get_root_segment,
    update_root_segment,
    handles(_derive_operation(routes.delete_segment, "deleteRootSegment", wire.Success))(
        calls.delete_segment
    ),
    preview_root_segment,
    refresh_root_segment,
    handles(
        _derive_operation(routes.list_segment_members, "listRootSegmentMembers", segments_wire.MembersAnswer)
    )(calls.list_member_ids),
)
