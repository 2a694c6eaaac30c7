"""The feed of changes, as both dialects read a call for it: which changes, and where a page of them ends.

What a change itself looks like is each dialect's.
"""

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.call import Call
from diglot.api.input.query_string import MOST_OFFSET, integer
from diglot.model.ids import parse_id
from diglot.model.membership_changes import ChangeFeed

_DEFAULT: Final = 100
_MOST: Final = 1_000
_After = Annotated[
    int,
    Meta(
        ge=0,
        description="Changes after this sequence number; without it, from the beginning of the history.",
    ),
]
_Limit = Annotated[
    int,
    Meta(ge=1, description=f"Changes to return; more than {_MOST} is read as {_MOST}."),
]
_Number = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]


class ChangesQuery(msgspec.Struct, frozen=True):
    """Which changes."""

    after: _After | UnsetType = UNSET
    limit: _Limit = _DEFAULT


class ChangesPagination(msgspec.Struct, frozen=True):
    """Every change after `after` up to `through` is among those shown: ask on after `through`.

    `newest` is the last change there is in the workspace, of whatever segment.
    """

    after: _Number
    through: _Number
    newest: _Number
    limit: _Number
    has_more: bool


async def of_workspace(call: Call) -> tuple[ChangeFeed, ChangesPagination]:
    """Return the changes of all segments that a call asks for, and where they end."""
    after, limit = _read(call.query)
    return _ended(await call.services.membership_changes.list_for_workspace(call.caller, after, limit), limit)


async def of_segment(call: Call) -> tuple[ChangeFeed, ChangesPagination]:
    """Return the changes of the segment of the path."""
    id_ = parse_id(call.path["segment_id"])
    async with call.or_missing(lambda: call.services.segments.get(call.caller, id_)):
        after, limit = _read(call.query)
    return _ended(
        await call.services.membership_changes.list_for_segment(call.caller, id_, after, limit), limit
    )


def _read(query: Mapping[str, str]) -> tuple[int | None, int]:
    """Return after which change a query asks, None for the beginning, and for how many."""
    after = integer(query, "after", 0, least=0, most=MOST_OFFSET) if "after" in query else None
    return after, integer(query, "limit", _DEFAULT, least=1, most=_MOST)


def _ended(feed: ChangeFeed, limit: int) -> tuple[ChangeFeed, ChangesPagination]:
    more = feed.through < feed.newest
    return feed, ChangesPagination(feed.after, feed.through, feed.newest, limit, more)
