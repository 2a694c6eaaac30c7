"""The feed of changes: which contacts entered and left segments, change by change."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Uuid, schema_ref
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.format import TAG, Count, ExtensionFormat, define_struct
from diglot.api.input.query_string import MAX_OFFSET, read_integer
from diglot.api.operation import Operation
from diglot.model.ids import parse_id
from diglot.model.membership_changes import Cause, ChangeFeed, MembershipChange

_DEFAULT_LIMIT: Final = 100
_MAX_LIMIT: Final = 1_000
_After = Annotated[
    int,
    Meta(
        ge=0,
        description="Changes after this sequence number; without it, from the beginning of the history.",
    ),
]
_Limit = Annotated[
    int,
    Meta(ge=1, description=f"Changes to return; more than {_MAX_LIMIT} is read as {_MAX_LIMIT}."),
]


class ChangesQuery(msgspec.Struct, frozen=True):
    """Which changes."""

    after: _After | UnsetType = UNSET
    limit: _Limit = _DEFAULT_LIMIT


class ChangesPagination(msgspec.Struct, frozen=True):
    """Every change after `after` up to `through` is among those shown: ask on after `through`.

    `newest` is the last change there is in the workspace, of whatever segment.
    """

    after: Count
    through: Count
    newest: Count
    limit: Count
    has_more: bool


def build_endpoints(form: ExtensionFormat) -> tuple[Endpoint, Endpoint]:
    """Return the calls for the changes of a workspace and of one segment in a dialect."""
    answer = _Answer(form)
    return (
        Endpoint(
            answer.operation(
                "listChanges",
                "/segments/changes",
                "List who entered and left which segments, in order and without gaps (an extension)",
            ),
            answer.list_for_workspace,
        ),
        Endpoint(
            answer.operation(
                "listSegmentChanges",
                "/segments/{segment_id:str}/changes",
                "List who entered and left a segment, in order and without gaps (an extension)",
            ),
            answer.list_for_segment,
        ),
    )


class _Answer:
    """A page of the feed in a dialect."""

    def __init__(self, form: ExtensionFormat) -> None:
        self._form = form
        self._change = define_struct(
            "MemberChange",
            "A contact entered a segment or left it. Deleted ones keep their ids here as long as the "
            "history.",
            [
                ("sequence", Count),
                ("at", form.time),
                ("cause", Cause),
                ("segment_id", form.segment_id),
                ("contact_id", Uuid | None),
                ("change", Annotated[Literal["entered", "left"], schema_ref("MembershipChange")]),
            ],
        )
        self._struct = form.define_answer(
            "ChangesAnswer",
            "Changes in their order; they may be fewer than `limit`, even none, where there are more.",
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
        after, limit = _read_query(call.query_parameters)
        feed = await call.services.membership_changes.list_for_workspace(call.caller, after, limit)
        return self._to_wire(feed, limit)

    async def list_for_segment(self, call: Call) -> msgspec.Struct:
        id_ = parse_id(call.path_parameters["segment_id"])
        async with call.not_found_first(lambda: call.services.segments.get(call.caller, id_)):
            after, limit = _read_query(call.query_parameters)
        feed = await call.services.membership_changes.list_for_segment(call.caller, id_, after, limit)
        return self._to_wire(feed, limit)

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
        }
        return self._change(**members)


def _read_query(query: Mapping[str, str]) -> tuple[int | None, int]:
    """Return after which change a query asks, None for the beginning, and for how many."""
    after = read_integer(query, "after", 0, minimum=0, maximum=MAX_OFFSET) if "after" in query else None
    return after, read_integer(query, "limit", _DEFAULT_LIMIT, minimum=1, maximum=_MAX_LIMIT)
