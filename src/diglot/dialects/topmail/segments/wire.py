"""Segments as Topmail sends and reads them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension
from diglot.api.extensions.as_of import AsOfQuery, Revision
from diglot.dialects.topmail.wire import Conditions, Count, Id, Name, Pagination, Time, WindowQuery


class Segment(msgspec.Struct, frozen=True):
    """A segment. The fields after `updated_at` are an extension.

    Before `next_change_at` time alone changes no member; it is null where time never does.
    """

    id: Id
    name: str
    conditions: Conditions
    created_at: Time
    updated_at: Time
    revision: Extension[Revision]
    next_change_at: Extension[Time] | None


class Estimate(msgspec.Struct, frozen=True):
    """How many contacts match, under both keys that clients look for.

    The fields after these are an extension: when that is true, of which revision of the conditions.
    """

    count: Count
    estimated_count: Count
    count_as_of: Extension[Time]
    revision: Extension[Revision]


class SegmentAnswer(msgspec.Struct, frozen=True):
    """One segment."""

    data: Segment


class SegmentListAnswer(msgspec.Struct, frozen=True):
    """A window of segments."""

    data: list[Segment]
    pagination: Pagination


class EstimateAnswer(msgspec.Struct, frozen=True):
    """An estimate."""

    data: Estimate


class SegmentCreate(msgspec.Struct, frozen=True):
    """A new segment; without conditions it is a draft and matches nobody."""

    name: Name
    conditions: Conditions | UnsetType = UNSET


class SegmentPatch(msgspec.Struct, frozen=True):
    """The parts of a segment to change."""

    name: Name | UnsetType = UNSET
    conditions: Conditions | UnsetType = UNSET


AnySegmentId = Annotated[
    str, Meta(max_length=200, description="A dynamic segment whose conditions these would replace.")
]


class DryRun(msgspec.Struct, frozen=True):
    """A new segment as it would be created, of which only the conditions count.

    With `segment_id`, in the place of that segment's; then they are required.
    """

    conditions: Conditions | UnsetType = UNSET
    segment_id: AnySegmentId | UnsetType = UNSET
    name: Name | UnsetType = UNSET


class SegmentContactsQuery(WindowQuery, frozen=True):
    """Which contacts of a segment, and of when."""

    as_of: Extension[AsOfQuery] = ""


class SegmentQuery(WindowQuery, frozen=True):
    """Which segments."""

    search: Annotated[str, Meta(description="A part of the name; case is ignored.")] = ""
