"""Who entered and left segments, change by change: an extension."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions import changes
from diglot.api.operation import Operation
from diglot.dialects.misar import formatting
from diglot.dialects.misar.segments import changes_wire
from diglot.model.ids import format_prefixed_id
from diglot.model.membership_changes import ChangeFeed

_TAG: Final = "segments"


@handles(
    Operation(
        "listChanges",
        "GET",
        "/segments/changes",
        _TAG,
        "List who entered and left which segments, in order and without gaps (an extension)",
        scope="read",
        query=changes.ChangesQuery,
        answer=changes_wire.ChangesAnswer,
        extension=True,
    )
)
async def list_changes(call: Call) -> changes_wire.ChangesAnswer:
    return _shown(*await changes.of_workspace(call))


@handles(
    Operation(
        "listSegmentChanges",
        "GET",
        "/segments/{segment_id:str}/changes",
        _TAG,
        "List who entered and left a segment, in order and without gaps (an extension)",
        scope="read",
        query=changes.ChangesQuery,
        answer=changes_wire.ChangesAnswer,
        extension=True,
    )
)
async def list_segment_changes(call: Call) -> changes_wire.ChangesAnswer:
    return _shown(*await changes.of_segment(call))


def _shown(feed: ChangeFeed, pagination: changes.ChangesPagination) -> changes_wire.ChangesAnswer:
    shown = [
        changes_wire.MemberChange(
            sequence=one.number,
            at=formatting.time(one.origin.at),
            cause=one.origin.cause,
            segment_id=format_prefixed_id(one.segment_id),
            contact_id=one.contact_id,
            change="entered" if one.entered else "left",
        )
        for one in feed.changes
    ]
    return changes_wire.ChangesAnswer(success=True, data=shown, pagination=pagination)


ENDPOINTS: Final = (list_changes, list_segment_changes)
