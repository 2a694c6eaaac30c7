"""Misar's structs on the routes without a version, as the vendor's TypeScript client types them."""

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api.annotations import Extension
from diglot.api.extensions.as_of import Revision
from diglot.api.input.contact_values import StatusWord
from diglot.api.warnings import Warnings
from diglot.dialects.misar.contacts.wire import ContactId, TierWord
from diglot.dialects.misar.segments.wire import Criteria, SegmentId, SegmentTypeWord
from diglot.dialects.misar.wire import Count, NullableText, Time


class RootPagination(msgspec.Struct, frozen=True):
    """The position of a page in the result."""

    page: Count
    limit: Count
    total: Count
    totalPages: Count  # noqa: N815


class RootSegment(msgspec.Struct, frozen=True):
    """A segment with its rules. Both counts are the number of members.

    The fields after `updated_at` are an extension, as on the versioned routes.
    """

    id: SegmentId
    name: str
    description: NullableText
    segment_type: SegmentTypeWord
    contact_count: Count
    membership_count: Count
    last_calculated_at: Time | None
    filter_criteria: Criteria
    created_at: Time
    updated_at: Time
    count_as_of: Extension[Time]
    revision: Extension[Revision]
    next_change_at: Extension[Time] | None
    warnings: Warnings = UNSET


class RootSegmentAnswer(msgspec.Struct, frozen=True):
    """One segment."""

    success: bool
    data: RootSegment


class RootSegmentListAnswer(msgspec.Struct, frozen=True):
    """A page of segments."""

    success: bool
    data: list[RootSegment]
    pagination: RootPagination


class RootRefreshData(msgspec.Struct, frozen=True):
    """The result of a refresh."""

    segment_id: SegmentId
    contact_count: Count
    last_calculated_at: Time | None
    count_as_of: Extension[Time]
    revision: Extension[Revision]


class RootRefreshAnswer(msgspec.Struct, frozen=True):
    """The response to a refresh."""

    success: bool
    data: RootRefreshData


class RootPreview(msgspec.Struct, frozen=True):
    """The rules to preview; by default, those of the segment."""

    filter_criteria: Criteria | UnsetType = UNSET


class SampleContact(msgspec.Struct, frozen=True):
    """The main fields of a contact."""

    id: ContactId
    email: str
    first_name: NullableText
    last_name: NullableText
    status: StatusWord
    engagement_tier: TierWord | None


class RootPreviewData(msgspec.Struct, frozen=True):
    """The number of matching contacts, and a sample of them, newest first.

    `revision` is that of the segment's own rules; it is null for rules that are not stored.
    """

    count: Count
    sampleContacts: list[SampleContact]  # noqa: N815
    count_as_of: Extension[Time]
    revision: Extension[Revision] | None
    warnings: Warnings = UNSET


class RootPreviewAnswer(msgspec.Struct, frozen=True):
    """The response to a preview."""

    success: bool
    data: RootPreviewData
