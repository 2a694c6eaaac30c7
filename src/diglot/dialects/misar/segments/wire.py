"""Segments as Misar sends and reads them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, LegacySpelling, also_spelled, choice_ref, schema_ref
from diglot.api.extensions.as_of import AsOfQuery, Revision
from diglot.dialects.misar.contacts.wire import Contact, ContactId
from diglot.dialects.misar.wire import Count, MembersPagination, NullableText, PageQuery, Pagination, Time
from diglot.model.segments import MemberAction, SegmentType

SegmentId = Annotated[
    str, Meta(pattern="^seg_[0-7][0-9a-hjkmnp-tv-z]{25}$", examples=["seg_01jqsv4z0tfmz8yjgv5gpmyqv0"])
]

Criteria = Annotated[msgspec.Raw, schema_ref("FilterCriteria")]

SegmentTypeWord = Annotated[str, choice_ref("SegmentType", tuple(each.value for each in SegmentType))]


class SegmentItem(msgspec.Struct, frozen=True):
    """A segment in a list. The fields after `created_at` are an extension, as in the segment itself."""

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


class Segment(msgspec.Struct, frozen=True):
    """A segment with its rules. The fields after `updated_at` are an extension.

    The count is true at `count_as_of`, of that revision of the rules. Before `next_change_at` time alone
    changes no member; it is null where time never does.
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


class SegmentListData(msgspec.Struct, frozen=True):
    """A page of segments."""

    segments: list[SegmentItem]
    pagination: Pagination


class RefreshData(msgspec.Struct, frozen=True):
    """What a refresh found; when the count is true and of which revision of the rules are an extension."""

    contact_count: Count
    last_calculated_at: Time | None
    count_as_of: Extension[Time]
    revision: Extension[Revision]


class PreviewData(msgspec.Struct, frozen=True):
    """A sample of the members, newest first, and how many there are.

    The fields after `total_matching` are an extension: when that is true, of which revision of the rules.
    """

    contacts: list[Contact]
    total_matching: Count
    count_as_of: Extension[Time]
    revision: Extension[Revision]


class MembersData(msgspec.Struct, frozen=True):
    """A page of members' ids, newest first."""

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
    """The answer to a refresh."""

    success: bool
    data: RefreshData


class PreviewAnswer(msgspec.Struct, frozen=True):
    """The answer to a preview."""

    success: bool
    data: PreviewData


class MembersAnswer(msgspec.Struct, frozen=True):
    """A page of members."""

    success: bool
    data: MembersData
    pagination: MembersPagination


class SegmentCreate(msgspec.Struct, frozen=True):
    """A new segment."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    segment_type: SegmentTypeWord
    filter_criteria: Criteria
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET


class SegmentPatch(msgspec.Struct, frozen=True):
    """The parts of a segment to change."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET
    filter_criteria: Criteria | UnsetType = UNSET


AnySegmentId = Annotated[
    str, Meta(max_length=200, description="A dynamic segment whose rules these would replace.")
]


class DryRun(msgspec.Struct, frozen=True):
    """A new segment as it would be created, of which only the rules count, and whose place it would take."""

    filter_criteria: Criteria
    segment_id: AnySegmentId | UnsetType = UNSET
    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1000)] | UnsetType | None = UNSET
    segment_type: SegmentTypeWord | UnsetType = UNSET


class MembersQuery(PageQuery, frozen=True):
    """Which page of the members, and of when."""

    as_of: Extension[AsOfQuery] = ""


# What is no id is passed over, too: a text of any form.
ContactIds = Annotated[list[str], Meta(max_length=5000)]


class MembersChange(msgspec.Struct, frozen=True):
    """Who enters, who leaves, or who all the members are.

    Ids of contacts that do not exist are passed over.
    """

    action: MemberAction
    contactIds: Annotated[ContactIds, also_spelled("contact_ids")]  # noqa: N815
    contact_ids: LegacySpelling[ContactIds] | UnsetType = UNSET


class MembersChanged(msgspec.Struct, frozen=True):
    """How many members the segment has after the change."""

    segment_id: SegmentId
    contact_count: Count
    count_as_of: Time
    revision: Revision


class MembersChangedAnswer(msgspec.Struct, frozen=True):
    """The answer to a change of members."""

    success: bool
    data: MembersChanged
