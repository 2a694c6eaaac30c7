"""Segments as the vendor's contacts platform has them."""

from typing import Any, Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.as_of import of_now, of_past
from diglot.api.operation import Operation
from diglot.dialects.misar import formatting
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.platform import wire
from diglot.dialects.misar.segments import calls, show
from diglot.dialects.misar.words import PLATFORM_WORDS

_TAG: Final = "platform segments"
_ONE: Final = "/segments/{segment_id:str}"


@handles(
    Operation(
        "getPlatformSegment",
        "GET",
        _ONE,
        _TAG,
        "Get a segment with its rules and its count",
        scope="read",
        answer=wire.PlatformSegmentAnswer,
    )
)
async def get_platform_segment(call: Call) -> wire.PlatformSegmentAnswer:
    shown = show.segment(await calls.get(call))
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
    )
    return wire.PlatformSegmentAnswer(data)


@handles(
    Operation(
        "previewPlatformSegment",
        "POST",
        "/segments/preview",
        _TAG,
        "Count and sample who matches rules that are not stored",
        scope="read",
        body=wire.PlatformPreview,
        answer=wire.PlatformPreviewAnswer,
    )
)
async def preview_platform_segment(call: Call) -> wire.PlatformPreviewAnswer:
    members = await call.members(unique=True)
    condition = calls.given_condition(call, members, "filterCriteria", PLATFORM_WORDS)
    page = await calls.preview_of(call, condition)
    shown = [contacts_show.contact(one) for one in page.items]
    return wire.PlatformPreviewAnswer(page.total, shown, formatting.time(page.as_of))


@handles(
    Operation(
        "listPlatformSegmentMembers",
        "GET",
        f"{_ONE}/members",
        _TAG,
        "List the ids of all members in one answer, newest first: 39 bytes for each of them",
        scope="read",
        query=wire.PlatformMembersQuery,
        answer=wire.PlatformMembersAnswer,
        lists_members=True,
    )
)
async def list_platform_segment_members(call: Call) -> wire.PlatformMembersAnswer:
    found = await calls.every_member_id(call)
    known: tuple[Any, ...] = (*of_now(found, formatting.time), *of_past(found))
    return wire.PlatformMembersAnswer(list(found.items), *known)


@handles(
    Operation(
        "changePlatformSegmentMembers",
        "POST",
        f"{_ONE}/members",
        _TAG,
        "Change the members of a static segment by hand",
        scope="write",
        body=wire.PlatformMembersChange,
        answer=wire.PlatformMembersCount,
        conflict=True,
    )
)
async def change_platform_segment_members(call: Call) -> wire.PlatformMembersCount:
    counted = await calls.change_members(call)
    return wire.PlatformMembersCount(counted.count, formatting.time(counted.as_of), counted.segment.revision)


ENDPOINTS: Final = (
    get_platform_segment,
    preview_platform_segment,
    list_platform_segment_members,
    change_platform_segment_members,
)
