"""Who entered and left segments, change by change: an extension."""

from typing import Final

from diglot.dialects import changes
from diglot.dialects.dialect import Call
from diglot.dialects.operations import Operation
from diglot.dialects.topmail import show, wire_changes
from diglot.model.history import Feed

_TAG: Final = "segments"


@Operation(
    "listChanges",
    "GET",
    "/segments/changes",
    _TAG,
    "List who entered and left which segments, in order and without gaps (an extension)",
    scope="contacts:read",
    query=changes.ChangesQuery,
    answer=wire_changes.ChangesAnswer,
    extension=True,
).handled_by
async def list_changes(call: Call) -> wire_changes.ChangesAnswer:
    return _shown(*await changes.of_workspace(call))


@Operation(
    "listSegmentChanges",
    "GET",
    "/segments/{segment_id:str}/changes",
    _TAG,
    "List who entered and left a segment, in order and without gaps (an extension)",
    scope="contacts:read",
    query=changes.ChangesQuery,
    answer=wire_changes.ChangesAnswer,
    extension=True,
).handled_by
async def list_segment_changes(call: Call) -> wire_changes.ChangesAnswer:
    return _shown(*await changes.of_segment(call))


def _shown(feed: Feed, pagination: changes.ChangesPagination) -> wire_changes.ChangesAnswer:
    shown = [
        wire_changes.MemberChange(
            sequence=one.number,
            at=show.time(one.moment.at),
            cause=one.moment.cause,
            segment_id=one.segment_id,
            contact_id=one.contact_id,
            change="entered" if one.entered else "left",
        )
        for one in feed.moves
    ]
    return wire_changes.ChangesAnswer(data=shown, pagination=pagination)


ENDPOINTS: Final = (list_changes, list_segment_changes)
