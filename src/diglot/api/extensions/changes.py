"""The feed of changes: which contacts entered and left segments, change by change."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Uuid, reduced_to, schema_ref
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.format import TAG, Count, ExtensionFormat, define_struct
from diglot.api.input.query_string import MAX_OFFSET
from diglot.api.operation import Operation
from diglot.model.ids import parse_id
from diglot.model.membership_changes import Cause, ChangeFeed, MembershipChange

_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 1_000
_After = Annotated[
    int,
    Meta(
        ge=0,
        description="Return changes after this sequence number; the default is all changes in the history.",
    ),
    reduced_to(MAX_OFFSET),
]
_Limit = Annotated[
    int,
    Meta(ge=1, description=f"Number of changes to return; reduced to {_MAX_LIMIT} if larger."),
    reduced_to(_MAX_LIMIT),
]


class ChangesQuery(msgspec.Struct, frozen=True):
    """The changes to return."""

    after: _After | UnsetType = UNSET
    limit: _Limit = _DEFAULT_LIMIT


class ChangesPagination(msgspec.Struct, frozen=True):
    """The page includes every change after `after` up to `through`: pass `through` as the next `after`.

    `newest` is the last change in the workspace, for any segment.
    """

    after: Count
    through: Count
    newest: Count
    limit: Count
    has_more: bool


def build_endpoints(form: ExtensionFormat) -> tuple[Endpoint, Endpoint]:
    """Return the endpoints of a dialect for the changes of a workspace and of one segment."""
    answer = _Answer(form)
    return (
        Endpoint(
            answer.operation(
                "listChanges",
                "/segments/changes",
                "List the contacts that entered or left segments, in order and without gaps (an extension)",
            ),
            answer.list_for_workspace,
        ),
        Endpoint(
            answer.operation(
                "listSegmentChanges",
                "/segments/{segment_id:str}/changes",
                "List the contacts that entered or left a segment, in order and without gaps (an extension)",
            ),
            answer.list_for_segment,
        ),
    )


class _Answer:
    """Renders a page of the feed in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        self._change = define_struct(
            "MemberChange",
            "A contact entered or left a segment. The id of a deleted contact is shown until the change "
            "expires.",
            [
                ("sequence", Count),
                ("at", form.time),
                ("cause", Cause),
                ("segment_id", form.segment_id),
                ("contact_id", Uuid | None),
                ("change", Annotated[Literal["entered", "left"], schema_ref("MembershipChange")]),
                form.define_cause_segment(),
            ],
        )
        self._struct = form.define_answer(
            "ChangesAnswer",
            "Changes in order. A page may have fewer than `limit`, or none, even if more follow.",
            list[self._change],  # type: ignore[name-defined]
            ("pagination", ChangesPagination),
        )

    def operation(self, id_: str, path: str, summary: str) -> Operation:
        return Operation(
            id_,
            "GET",
            path,
            TAG,
            summary,
            scope=self._form.scope,
            query=ChangesQuery,
            response=self._struct,
            extension=True,
        )

    async def list_for_workspace(self, call: Call) -> msgspec.Struct:
        query = call.read_query(ChangesQuery)
        feed = await call.services.membership_changes.list_for_workspace(
            call.caller, _after(query), query.limit
        )
        return self._to_wire(feed, query.limit)

    async def list_for_segment(self, call: Call) -> msgspec.Struct:
        id_ = parse_id(call.path_parameters["segment_id"])
        async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
            query = call.read_query(ChangesQuery)
        feed = await call.services.membership_changes.list_for_segment(
            call.caller, id_, _after(query), query.limit
        )
        return self._to_wire(feed, query.limit)

    def _to_wire(self, feed: ChangeFeed, limit: int) -> msgspec.Struct:
        pagination = ChangesPagination(
            feed.after, feed.through, feed.newest, limit, has_more=feed.through < feed.newest
        )
        data = [self._show_change(one) for one in feed.changes]
        return self._struct(**self._form.envelope, data=data, pagination=pagination)

    def _show_change(self, one: MembershipChange) -> msgspec.Struct:
        members = {
            "sequence": one.number,
            "at": self._form.format_time(one.origin.at),
            "cause": one.origin.cause,
            "segment_id": self._form.format_segment_id(one.segment_id),
            "contact_id": one.contact_id,
            "change": "entered" if one.entered else "left",
            "cause_segment_id": self._form.show_cause_segment(one.cause_segment_id),
        }
        return self._change(**members)


def _after(query: ChangesQuery) -> int | None:
    """Return `after`, or None for the beginning."""
    return None if query.after is UNSET else query.after
