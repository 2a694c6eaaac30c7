"""The structs of Misar's segment calls."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, LegacySpelling, also_spelled, choice_ref, schema_ref
from diglot.api.extensions.as_of import AsOfQuery, Revision
from diglot.api.warnings import Warnings
from diglot.dialects.misar.contacts.wire import Contact, ContactId
from diglot.dialects.misar.wire import Count, MembersPagination, NullableText, PageQuery, Pagination, Time
from diglot.model.segments import MemberAction, SegmentType

SegmentId = Annotated[
    str, Meta(pattern="^seg_[0-7][0-9a-hjkmnp-tv-z]{25}$", examples=["seg_01jqsv4z0tfmz8yjgv5gpmyqv0"])
]

Criteria = Annotated[msgspec.Raw, schema_ref("FilterCriteria")]

SegmentTypeWord = Annotated[str, choice_ref("SegmentType", tuple(each.value for each in SegmentType))]

SegmentName = Annotated[str, Meta(min_length=1, max_length=200)]


class SegmentItem(msgspec.Struct, frozen=True):
    """A segment in a list. The fields after `created_at` are an extension, as in a single segment."""

    id: SegmentId
    name: str
    description: NullableText
    segment_type: SegmentTypeWord
    contact_count: Count
    last_calculated_at: Time | None
    created_at: Time
    count_as_of: Extension[Time]
    revision: Extension[Revision]
    next_change_at: Extension[Time] | None
    warnings: Warnings = UNSET


class Segment(msgspec.Struct, frozen=True):
    """A segment with its rules. The fields after `updated_at` are an extension.

    The count is that of `revision` at `count_as_of`. Until `next_change_at`, the passing of time alone does
    not change the members; it is null if time never changes them.
    """

    id: SegmentId
    name: str
    description: NullableText
    segment_type: SegmentTypeWord
    filter_criteria: Criteria
    contact_count: Count
    last_calculated_at: Time | None
    created_at: Time
    updated_at: Time
    count_as_of: Extension[Time]
    revision: Extension[Revision]
    next_change_at: Extension[Time] | None
    warnings: Warnings = UNSET


class SegmentListData(msgspec.Struct, frozen=True):
    """A page of segments."""

    segments: list[SegmentItem]
    pagination: Pagination


class RefreshData(msgspec.Struct, frozen=True):
    """The result of a refresh. The time of the count and the revision of the rules are an extension."""

    contact_count: Count
    last_calculated_at: Time | None
    count_as_of: Extension[Time]
    revision: Extension[Revision]


class PreviewData(msgspec.Struct, frozen=True):
    """A sample of the members, newest first, and the member count.

    The fields after `total_matching` are an extension: the time of the count and the revision of the rules.
    """

    contacts: list[Contact]
    total_matching: Count
    count_as_of: Extension[Time]
    revision: Extension[Revision]
    warnings: Warnings = UNSET


class MembersData(msgspec.Struct, frozen=True):
    """A page of member ids, newest first."""

    segment_id: SegmentId
    contact_ids: list[ContactId]


class SegmentAnswer(msgspec.Struct, frozen=True):
    """One segment."""

    success: bool
    data: Segment


class SegmentListAnswer(msgspec.Struct, frozen=True):
    """A page of segments."""

    success: bool
    data: SegmentListData


class RefreshAnswer(msgspec.Struct, frozen=True):
    """The response to a refresh."""

    success: bool
    data: RefreshData


class PreviewAnswer(msgspec.Struct, frozen=True):
    """The response to a preview."""

    success: bool
    data: PreviewData


class MembersAnswer(msgspec.Struct, frozen=True):
    """A page of members."""

    success: bool
    data: MembersData
    pagination: MembersPagination


class SegmentCreate(msgspec.Struct, frozen=True):
    """A new segment."""

    name: SegmentName
    segment_type: SegmentTypeWord
    filter_criteria: Criteria
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET


class SegmentPatch(msgspec.Struct, frozen=True):
    """The fields of a segment to update."""

    name: SegmentName | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET
    filter_criteria: Criteria | UnsetType = UNSET


class SegmentSnapshot(msgspec.Struct, frozen=True):
    """The static segment that a snapshot creates."""

    name: SegmentName
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET


AnySegmentId = Annotated[
    str, Meta(max_length=200, description="The dynamic segment whose rules the new rules would replace.")
]


class DryRun(msgspec.Struct, frozen=True):
    """A segment body, of which only the rules count, and the segment whose rules they would replace."""

    filter_criteria: Criteria
    segment_id: AnySegmentId | UnsetType = UNSET
    name: SegmentName | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET
    segment_type: SegmentTypeWord | UnsetType = UNSET


class MembersQuery(PageQuery, frozen=True):
    """The page of members, and its point in time."""

    as_of: Extension[AsOfQuery] | UnsetType = UNSET


# Any string is accepted, because invalid ids are ignored too.
ContactIds = Annotated[list[str], Meta(max_length=5000)]


class MembersChange(msgspec.Struct, frozen=True):
    """The contacts to add, to remove, or to set as the only members.

    Ids of contacts that do not exist are ignored.
    """

    action: MemberAction
    contactIds: Annotated[ContactIds, also_spelled("contact_ids")]  # noqa: N815
    contact_ids: LegacySpelling[ContactIds] | UnsetType = UNSET


class MembersChanged(msgspec.Struct, frozen=True):
    """The number of members after the change."""

    segment_id: SegmentId
    contact_count: Count
    count_as_of: Time
    revision: Revision


class MembersChangedAnswer(msgspec.Struct, frozen=True):
    """The response to a change of members."""

    success: bool
    data: MembersChanged
