"""Segment calls of the vendor's contacts platform."""

from typing import Any, Final

from diglot.api import warnings
from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.as_of import PastQuery, count_metadata, history_metadata
from diglot.api.operation import Operation
from diglot.api.responses import StreamedList
from diglot.dialects.misar import formatting
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.platform import wire
from diglot.dialects.misar.segments import calls, show
from diglot.dialects.misar.words import PLATFORM_WORDS
from diglot.model.segments import CountedSegment

_TAG: Final = "platform segments"
_CRITERIA_KEY: Final = "filterCriteria"
_SEGMENT_PATH: Final = "/segments/{segment_id:str}"


@handles(
    Operation(
        "getPlatformSegment",
        "GET",
        _SEGMENT_PATH,
        _TAG,
        "Get a segment with its rules and its member count",
        scope="read",
        response=wire.PlatformSegmentAnswer,
    )
)
async def get_platform_segment(call: Call) -> wire.PlatformSegmentAnswer | bytes:
    return await calls.answer_segment(call, _show_segment)


async def _show_segment(call: Call, counted: CountedSegment) -> wire.PlatformSegmentAnswer:
    shown = show.show_segment(counted, await calls.warn(call, counted))
    data = wire.PlatformSegment(
        id=shown.id,
        name=shown.name,
        segment_type=shown.segment_type,
        filter_criteria=shown.filter_criteria,
        contact_count=shown.contact_count,
        last_calculated_at=shown.last_calculated_at,
        count_as_of=shown.count_as_of,
        revision=shown.revision,
        next_change_at=shown.next_change_at,
        warnings=shown.warnings,
    )
    return wire.PlatformSegmentAnswer(data)


@handles(
    Operation(
        "previewPlatformSegment",
        "POST",
        "/segments/preview",
        _TAG,
        "Count and sample the contacts that match rules without storing them",
        scope="read",
        body=wire.PlatformPreview,
        response=wire.PlatformPreviewAnswer,
    )
)
async def preview_platform_segment(call: Call) -> wire.PlatformPreviewAnswer:
    members = await call.read_object(unique_keys=True)
    condition = calls.read_condition(call, members, _CRITERIA_KEY, PLATFORM_WORDS)
    page = await calls.preview_condition(call, condition)
    shown = await call.show_contacts(page.items, contacts_show.show_contact)
    warned = await warnings.warn(call, page.rules, _CRITERIA_KEY)
    return wire.PlatformPreviewAnswer(page.total, shown, formatting.format_time(page.as_of), warned)


@handles(
    Operation(
        "listPlatformSegmentMembers",
        "GET",
        f"{_SEGMENT_PATH}/members",
        _TAG,
        "List the ids of all members in one response, newest first, with 39 bytes per id",
        scope="read",
        query=PastQuery,
        response=wire.PlatformMembersAnswer,
        lists_members=True,
    )
)
async def list_platform_segment_members(call: Call) -> wire.PlatformMembersAnswer | StreamedList:
    ids = await calls.list_all_member_ids(call)
    known: tuple[Any, ...] = (*count_metadata(ids.page, formatting.format_time), *history_metadata(ids.page))
    response = wire.PlatformMembersAnswer(list(ids.page.items), *known)
    return response if ids.rest is None else StreamedList(response, ids.rest)


@handles(
    Operation(
        "changePlatformSegmentMembers",
        "POST",
        f"{_SEGMENT_PATH}/members",
        _TAG,
        "Set, add or remove members of a static segment by hand",
        scope="write",
        body=wire.PlatformMembersChange,
        response=wire.PlatformMembersCount,
        may_conflict=True,
    )
)
async def change_platform_segment_members(call: Call) -> wire.PlatformMembersCount:
    counted = await calls.change_members(call)
    return wire.PlatformMembersCount(
        counted.count, formatting.format_time(counted.as_of), counted.segment.revision
    )


ENDPOINTS: Final = (
    get_platform_segment,
    preview_platform_segment,
    list_platform_segment_members,
    change_platform_segment_members,
)
