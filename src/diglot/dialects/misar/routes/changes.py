"""Who entered and left segments, change by change: an extension."""

from typing import Final

from diglot.dialects.dialect import Call
from diglot.dialects.history import read_after
from diglot.dialects.misar import show, wire_changes
from diglot.dialects.operations import Operation
from diglot.model.history import Feed
from diglot.model.ids import prefixed, read_id

_TAG: Final = "segments"


@Operation(
    "listChanges",
    "GET",
    "/segments/changes",
    _TAG,
    "List who entered and left which segments, in order and without gaps (an extension)",
    scope="read",
    query=wire_changes.ChangesQuery,
    answer=wire_changes.ChangesAnswer,
    extension=True,
).handled_by
async def list_changes(call: Call) -> wire_changes.ChangesAnswer:
    after, limit = read_after(call.query)
    return _shown(await call.services.changes.of_workspace(call.caller, after, limit), limit)


@Operation(
    "listSegmentChanges",
    "GET",
    "/segments/{segment_id:str}/changes",
    _TAG,
    "List who entered and left a segment, in order and without gaps (an extension)",
    scope="read",
    query=wire_changes.ChangesQuery,
    answer=wire_changes.ChangesAnswer,
    extension=True,
).handled_by
async def list_segment_changes(call: Call) -> wire_changes.ChangesAnswer:
    id_ = read_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        after, limit = read_after(call.query)
    return _shown(await call.services.changes.of_segment(call.caller, id_, after, limit), limit)


def _shown(feed: Feed, limit: int) -> wire_changes.ChangesAnswer:
    shown = [
        wire_changes.MemberChange(
            sequence=one.number,
            at=show.time(one.moment.at),
            cause=one.moment.cause,
            segment_id=prefixed(one.segment_id),
            contact_id=one.contact_id,
            change="entered" if one.entered else "left",
        )
        for one in feed.moves
    ]
    more = feed.through < feed.newest
    pagination = wire_changes.ChangesPagination(feed.after, feed.through, feed.newest, limit, more)
    return wire_changes.ChangesAnswer(success=True, data=shown, pagination=pagination)


ENDPOINTS: Final = (list_changes, list_segment_changes)
