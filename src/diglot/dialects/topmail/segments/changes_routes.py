"""Who entered and left segments, change by change: an extension."""

from typing import Final

from diglot.api.dialect import Call
from diglot.api.extensions import changes
from diglot.api.operation import Operation
from diglot.dialects.topmail.segments import changes_wire, show
from diglot.model.membership_changes import Feed

_TAG: Final = "segments"


@Operation(
    "listChanges",
    "GET",
    "/segments/changes",
    _TAG,
    "List who entered and left which segments, in order and without gaps (an extension)",
    scope="contacts:read",
    query=changes.ChangesQuery,
    answer=changes_wire.ChangesAnswer,
    extension=True,
).handled_by
async def list_changes(call: Call) -> changes_wire.ChangesAnswer:
    return _shown(*await changes.of_workspace(call))


@Operation(
    "listSegmentChanges",
    "GET",
    "/segments/{segment_id:str}/changes",
    _TAG,
    "List who entered and left a segment, in order and without gaps (an extension)",
    scope="contacts:read",
    query=changes.ChangesQuery,
    answer=changes_wire.ChangesAnswer,
    extension=True,
).handled_by
async def list_segment_changes(call: Call) -> changes_wire.ChangesAnswer:
    return _shown(*await changes.of_segment(call))


def _shown(feed: Feed, pagination: changes.ChangesPagination) -> changes_wire.ChangesAnswer:
    shown = [
        changes_wire.MemberChange(
            sequence=one.number,
            at=show.time(one.moment.at),
            cause=one.moment.cause,
            segment_id=one.segment_id,
            contact_id=one.contact_id,
            change="entered" if one.entered else "left",
        )
        for one in feed.moves
    ]
    return changes_wire.ChangesAnswer(data=shown, pagination=pagination)


ENDPOINTS: Final = (list_changes, list_segment_changes)
