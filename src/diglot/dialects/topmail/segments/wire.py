"""The structs of Topmail's segment calls."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension
from diglot.api.extensions.as_of import AsOfQuery, Revision
from diglot.api.warnings import Warnings
from diglot.dialects.topmail.wire import Conditions, Count, Id, Name, Pagination, Time, WindowQuery


class Segment(msgspec.Struct, frozen=True):
    """A segment. The fields after `updated_at` are an extension.

    Until `next_change_at`, the passing of time alone does not change the members; it is null if time never
    changes them.
    """

    id: Id
    name: str
    conditions: Conditions
    created_at: Time
    updated_at: Time
    revision: Extension[Revision]
    next_change_at: Extension[Time] | None
    warnings: Warnings = UNSET


class Estimate(msgspec.Struct, frozen=True):
    """The number of matching contacts, under both property names that clients read.

    The other fields are an extension: the time of the count and the revision of the conditions.
    """

    count: Count
    estimated_count: Count
    count_as_of: Extension[Time]
    revision: Extension[Revision]
    warnings: Warnings = UNSET


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
    """A segment to create; without conditions it is a draft and matches no contact."""

    name: Name
    conditions: Conditions | UnsetType = UNSET


class SegmentPatch(msgspec.Struct, frozen=True):
    """The fields of a segment to update."""

    name: Name | UnsetType = UNSET
    conditions: Conditions | UnsetType = UNSET


class SegmentSnapshot(msgspec.Struct, frozen=True):
    """The static segment that a snapshot creates."""

    name: Name


AnySegmentId = Annotated[
    str,
    Meta(
        max_length=200, description="The dynamic segment whose conditions the new conditions would replace."
    ),
]


class DryRun(msgspec.Struct, frozen=True):
    """A segment body, of which only the conditions count.

    With `segment_id`, they are required and would replace the conditions of that segment.
    """

    conditions: Conditions | UnsetType = UNSET
    segment_id: AnySegmentId | UnsetType = UNSET
    name: Name | UnsetType = UNSET


class SegmentContactsQuery(WindowQuery, frozen=True):
    """The window of a segment's contacts, and its point in time."""

    as_of: Extension[AsOfQuery] | UnsetType = UNSET


class SegmentQuery(WindowQuery, frozen=True):
    """Which segments."""

    search: Annotated[str, Meta(description="A part of the name; case is ignored.")] | UnsetType = UNSET
