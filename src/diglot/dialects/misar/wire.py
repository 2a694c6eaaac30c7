"""Misar's shapes: what the JSON on the wire looks like, keys in the order the vendor prints them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.extensions.as_of import AsOfQuery, OfPast, Revision
from diglot.api.openapi.annotations import Older, Ours, Uuid, named
from diglot.api.openapi.patterns import EMAIL
from diglot.dialects.misar.contacts.tiers import Tier

Text = str | None
Number = Annotated[float, Meta(extra_json_schema={"format": "double"})]
Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
Money = Annotated[Number, Meta(ge=0, le=2**53 - 1)]
Whole = Annotated[int, Meta(ge=0, le=2**53 - 1, extra_json_schema={"format": "int64"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-05-27T10:01:44Z"])]
SegmentId = Annotated[
    str, Meta(pattern="^seg_[0-7][0-9a-hjkmnp-tv-z]{25}$", examples=["seg_01jqsv4z0tfmz8yjgv5gpmyqv0"])
]
ContactId = Uuid
Criteria = Annotated[msgspec.Raw, named("FilterCriteria")]
Tags = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]
Attributes = Annotated[msgspec.Raw, named("CustomFields")]
SegmentTypeWord = Annotated[str, named("SegmentType")]
TierWord = Annotated[Tier, named("EngagementTier")]
TagList = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=50)]
Email = Annotated[str, Meta(max_length=254, pattern=EMAIL, examples=["ada@example.com"])]
StatusWord = Annotated[str, named("ContactStatus")]


class Pagination(msgspec.Struct, frozen=True):
    """Where a page stands among all."""

    page: Count
    limit: Count
    total: Count
    total_pages: Count


class BothPagination(msgspec.Struct, frozen=True):
    """The same, with the number of pages in the vendor's two spellings.

    Of the members of a segment, the total is that of a revision of its rules at `count_as_of` (an extension).
    """

    page: Count
    limit: Count
    total: Count
    total_pages: Count
    totalPages: Older[Count]  # noqa: N815
    count_as_of: Ours[Time] | UnsetType = UNSET
    revision: Ours[Revision] | UnsetType = UNSET
    as_of: Ours[OfPast] = UNSET
    deleted: Ours[OfPast] = UNSET


class MembersPagination(msgspec.Struct, frozen=True):
    """The same in the order of the members call. Of the past, how many of the total are deleted since.

    The fields after `total_pages` are an extension: when the total is true, of which revision of the rules.
    """

    page: Count
    limit: Count
    total: Count
    totalPages: Older[Count]  # noqa: N815
    total_pages: Count
    count_as_of: Ours[Time] | UnsetType = UNSET
    revision: Ours[Revision] | UnsetType = UNSET
    as_of: Ours[OfPast] = UNSET
    deleted: Ours[OfPast] = UNSET


class SegmentItem(msgspec.Struct, frozen=True):
    """A segment in a list. The fields after `created_at` are an extension, as in the segment itself."""

    id: SegmentId
    name: str
    description: Text
    segment_type: SegmentTypeWord
    contact_count: Count
    last_calculated_at: Time | None
    created_at: Time
    count_as_of: Ours[Time]
    revision: Ours[Revision]
    next_change_at: Ours[Time] | None


class Segment(msgspec.Struct, frozen=True):
    """A segment with its rules. The fields after `updated_at` are an extension.

    The count is true at `count_as_of`, of that revision of the rules. Before `next_change_at` time alone
    changes no member; it is null where time never does.
    """

    id: SegmentId
    name: str
    description: Text
    segment_type: SegmentTypeWord
    filter_criteria: Criteria
    contact_count: Count
    last_calculated_at: Time | None
    created_at: Time
    updated_at: Time
    count_as_of: Ours[Time]
    revision: Ours[Revision]
    next_change_at: Ours[Time] | None


class Contact(msgspec.Struct, frozen=True):
    """A contact. The fields after `updated_at` are an extension: the vendor filters on them only."""

    id: ContactId
    email: str
    first_name: Text
    last_name: Text
    phone: Text
    company: Text
    job_title: Text
    source: Text
    status: StatusWord
    tags: Tags
    custom_fields: Attributes
    engagement_score: Number | None
    created_at: Time
    updated_at: Time
    lead_score: Ours[Number] | None
    total_opens: Ours[Count]
    total_clicks: Ours[Count]
    total_orders: Ours[Count]
    total_spent: Ours[Number]
    last_opened_at: Ours[Time] | None
    last_clicked_at: Ours[Time] | None
    last_emailed_at: Ours[Time] | None


class SegmentListData(msgspec.Struct, frozen=True):
    """A page of segments."""

    segments: list[SegmentItem]
    pagination: Pagination


class RefreshData(msgspec.Struct, frozen=True):
    """What a refresh found; when the count is true and of which revision of the rules are an extension."""

    contact_count: Count
    last_calculated_at: Time | None
    count_as_of: Ours[Time]
    revision: Ours[Revision]


class PreviewData(msgspec.Struct, frozen=True):
    """A sample of the members, newest first, and how many there are.

    The fields after `total_matching` are an extension: when that is true, of which revision of the rules.
    """

    contacts: list[Contact]
    total_matching: Count
    count_as_of: Ours[Time]
    revision: Ours[Revision]


class MembersData(msgspec.Struct, frozen=True):
    """A page of members' ids, newest first."""

    segment_id: SegmentId
    contact_ids: list[ContactId]


class Success(msgspec.Struct, frozen=True):
    """The answer to a deletion."""

    success: bool


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


class ContactAnswer(msgspec.Struct, frozen=True):
    """One contact."""

    success: bool
    data: Contact


class ContactListAnswer(msgspec.Struct, frozen=True):
    """A page of contacts, under both of the vendor's keys."""

    success: bool
    data: list[Contact]
    contacts: list[Contact]
    pagination: BothPagination


class ImportSummary(msgspec.Struct, frozen=True):
    """What an import did, in contacts."""

    imported: Count
    updated: Count
    skipped: Count
    errors: Count


class ImportAnswer(msgspec.Struct, frozen=True):
    """The answer to an import; `errors` names each contact that was refused.

    The counts stand once more beside the summary, as older pages have them.
    """

    success: bool
    summary: ImportSummary
    errors: list[str]
    imported: Count
    updated: Count
    skipped: Count
    failed: Count


class FieldFaults(msgspec.Struct, frozen=True):
    """Faults by the field they belong to, and those of the body as a whole."""

    fieldErrors: Annotated[dict[str, list[str]], named("FaultsByField")]  # noqa: N815
    formErrors: list[str]  # noqa: N815


class ErrorBody(msgspec.Struct, frozen=True):
    """Any error. `details` stands on validation errors only, `retryAfter` (seconds) on too many requests."""

    success: bool
    error: str
    details: FieldFaults | UnsetType = UNSET
    retryAfter: Count | UnsetType = UNSET  # noqa: N815


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


class PageQuery(msgspec.Struct, frozen=True):
    """Which page."""

    page: Annotated[int, Meta(ge=1, description="Page number, from 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description="Results per page; more than 100 is read as 100.")] = 20


class MembersQuery(PageQuery, frozen=True):
    """Which page of the members, and of when."""

    as_of: Ours[AsOfQuery] = ""


class ContactIdQuery(msgspec.Struct, frozen=True):
    """Which contact."""

    id: Annotated[ContactId, Meta(description="The id of the contact.")]


class ContactFields(msgspec.Struct, frozen=True):
    """What may be said of a contact: every spelling is read; the totals and times are an extension."""

    first_name: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    last_name: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    phone: Annotated[str, Meta(max_length=50)] | UnsetType | None = UNSET
    company: Annotated[str, Meta(max_length=150)] | UnsetType | None = UNSET
    job_title: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    source: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    status: StatusWord | UnsetType = UNSET
    tags: TagList | UnsetType = UNSET
    custom_fields: Attributes | UnsetType = UNSET
    firstName: Older[Annotated[str, Meta(max_length=100)]] | UnsetType | None = UNSET  # noqa: N815
    lastName: Older[Annotated[str, Meta(max_length=100)]] | UnsetType | None = UNSET  # noqa: N815
    jobTitle: Older[Annotated[str, Meta(max_length=100)]] | UnsetType | None = UNSET  # noqa: N815
    customFields: Older[Attributes] | UnsetType = UNSET  # noqa: N815
    metadata: Older[Attributes] | UnsetType = UNSET
    subscribed: Ours[bool] | UnsetType = UNSET
    engagement_score: Ours[Annotated[Number, Meta(ge=0, le=100)]] | UnsetType | None = UNSET
    lead_score: Ours[Annotated[Number, Meta(ge=0, le=100)]] | UnsetType | None = UNSET
    total_opens: Ours[Whole] | UnsetType = UNSET
    total_clicks: Ours[Whole] | UnsetType = UNSET
    total_orders: Ours[Whole] | UnsetType = UNSET
    total_spent: Ours[Money] | UnsetType = UNSET
    last_opened_at: Ours[Time] | UnsetType | None = UNSET
    last_clicked_at: Ours[Time] | UnsetType | None = UNSET
    last_emailed_at: Ours[Time] | UnsetType | None = UNSET


class ContactCreate(ContactFields, frozen=True, kw_only=True):
    """A new contact."""

    email: Email


class ContactPatch(ContactFields, frozen=True, kw_only=True):
    """A change to a contact named in the path."""

    email: Email | UnsetType = UNSET


class ImportContact(ContactFields, frozen=True, kw_only=True):
    """A contact of an import."""

    email: Email
    created_at: Ours[Time] | UnsetType = UNSET


class ImportBody(msgspec.Struct, frozen=True):
    """Contacts to make or to change, by address; the four switches are spellings of one."""

    contacts: Annotated[list[ImportContact], Meta(max_length=10000)]
    updateExisting: bool | UnsetType = UNSET  # noqa: N815
    update_existing: Older[bool] | UnsetType = UNSET
    skipExisting: Older[bool] | UnsetType = UNSET  # noqa: N815
    skip_existing: Older[bool] | UnsetType = UNSET
    tags: TagList | UnsetType = UNSET
