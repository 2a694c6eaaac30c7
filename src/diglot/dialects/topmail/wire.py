"""Topmail's shapes: what the JSON on the wire looks like, keys in the order the vendor prints them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.extensions.as_of import AsOfQuery, OfPast, Revision
from diglot.api.openapi.annotations import Ours, Uuid, named
from diglot.api.openapi.patterns import EMAIL

Text = str | None
Number = Annotated[float, Meta(extra_json_schema={"format": "double"})]
Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
Money = Annotated[Number, Meta(ge=0, le=2**53 - 1)]
Whole = Annotated[int, Meta(ge=0, le=2**53 - 1, extra_json_schema={"format": "int64"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2025-01-15T10:30:00.000Z"])]
Id = Uuid
Conditions = Annotated[msgspec.Raw, named("Conditions")]
Tags = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]
Attributes = Annotated[msgspec.Raw, named("Attributes")]
TagList = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=50)]
Email = Annotated[str, Meta(max_length=254, pattern=EMAIL, examples=["ada@example.com"])]
StatusWord = Annotated[str, named("ContactStatus")]
Name = Annotated[str, Meta(min_length=1, max_length=100)]
ShortText = Annotated[str, Meta(max_length=100)]


class Pagination(msgspec.Struct, frozen=True):
    """Where a window stands among all."""

    total: Count
    limit: Count
    offset: Count
    has_more: bool


class MembersPagination(Pagination, frozen=True):
    """Where a window stands among the members of a segment; of the past, how many are deleted since.

    The fields after `has_more` are an extension: when the total is true, of which revision of the conditions,
    which a list that is filled by hand has not. Where neither a segment nor a list is asked for, they are not
    there.
    """

    count_as_of: Ours[Time] | UnsetType = UNSET
    revision: Ours[Revision] | UnsetType | None = UNSET
    as_of: Ours[OfPast] = UNSET
    deleted: Ours[OfPast] = UNSET


class Segment(msgspec.Struct, frozen=True):
    """A segment. The fields after `updated_at` are an extension.

    Before `next_change_at` time alone changes no member; it is null where time never does.
    """

    id: Id
    name: str
    conditions: Conditions
    created_at: Time
    updated_at: Time
    revision: Ours[Revision]
    next_change_at: Ours[Time] | None


class ListName(msgspec.Struct, frozen=True):
    """A list that a contact is on."""

    id: Id
    name: str


class Contact(msgspec.Struct, frozen=True):
    """A contact. The fields after `created_at` are an extension: the vendor filters on them only."""

    id: Id
    email: str
    first_name: Text
    last_name: Text
    attributes: Attributes
    subscribed: bool
    created_at: Time
    updated_at: Ours[Time]
    phone: Ours[Text]
    company: Ours[Text]
    job_title: Ours[Text]
    source: Ours[Text]
    status: Ours[StatusWord]
    tags: Ours[Tags]
    engagement_score: Ours[Number] | None
    lead_score: Ours[Number] | None
    total_opens: Ours[Count]
    total_clicks: Ours[Count]
    total_orders: Ours[Count]
    total_spent: Ours[Number]
    last_opened_at: Ours[Time] | None
    last_clicked_at: Ours[Time] | None
    last_emailed_at: Ours[Time] | None


class ContactDetail(msgspec.Struct, frozen=True):
    """A contact with the lists it is on."""

    id: Id
    email: str
    first_name: Text
    last_name: Text
    attributes: Attributes
    subscribed: bool
    created_at: Time
    lists: list[ListName]
    updated_at: Ours[Time]
    phone: Ours[Text]
    company: Ours[Text]
    job_title: Ours[Text]
    source: Ours[Text]
    status: Ours[StatusWord]
    tags: Ours[Tags]
    engagement_score: Ours[Number] | None
    lead_score: Ours[Number] | None
    total_opens: Ours[Count]
    total_clicks: Ours[Count]
    total_orders: Ours[Count]
    total_spent: Ours[Number]
    last_opened_at: Ours[Time] | None
    last_clicked_at: Ours[Time] | None
    last_emailed_at: Ours[Time] | None


class Deleted(msgspec.Struct, frozen=True):
    """What a deletion says."""

    success: bool


class Estimate(msgspec.Struct, frozen=True):
    """How many contacts match, under both keys that clients look for.

    The fields after these are an extension: when that is true, of which revision of the conditions.
    """

    count: Count
    estimated_count: Count
    count_as_of: Ours[Time]
    revision: Ours[Revision]


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


class DeletedAnswer(msgspec.Struct, frozen=True):
    """The answer to a deletion."""

    data: Deleted


class ContactAnswer(msgspec.Struct, frozen=True):
    """One contact."""

    data: Contact


class ContactDetailAnswer(msgspec.Struct, frozen=True):
    """One contact with its lists."""

    data: ContactDetail


class ContactListAnswer(msgspec.Struct, frozen=True):
    """A window of contacts."""

    data: list[Contact]
    pagination: Pagination


class SegmentContactsAnswer(msgspec.Struct, frozen=True):
    """A window of the contacts of a segment, on a list, or of all."""

    data: list[Contact]
    pagination: MembersPagination


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong; `path` stands on validation errors that have one."""

    code: str
    message: str
    path: str | UnsetType = UNSET


class ErrorBody(msgspec.Struct, frozen=True):
    """Any error."""

    error: ErrorDetail


class SegmentCreate(msgspec.Struct, frozen=True):
    """A new segment; without conditions it is a draft and matches nobody."""

    name: Name
    conditions: Conditions | UnsetType = UNSET


class SegmentPatch(msgspec.Struct, frozen=True):
    """The parts of a segment to change."""

    name: Name | UnsetType = UNSET
    conditions: Conditions | UnsetType = UNSET


class WindowQuery(msgspec.Struct, frozen=True):
    """Which window."""

    limit: Annotated[int, Meta(ge=1, description="Rows to return; more than 1000 is read as 1000.")] = 100
    offset: Annotated[int, Meta(ge=0, description="Rows to skip.")] = 0


class SegmentContactsQuery(WindowQuery, frozen=True):
    """Which contacts of a segment, and of when."""

    as_of: Ours[AsOfQuery] = ""


class SegmentQuery(WindowQuery, frozen=True):
    """Which segments."""

    search: Annotated[str, Meta(description="A part of the name; case is ignored.")] = ""


class ContactQuery(WindowQuery, frozen=True):
    """Which contacts."""

    search: Annotated[str, Meta(description="Words, each part of the email or of a name.")] = ""
    subscribed: Annotated[bool, Meta(description="Only contacts that are, or are not, subscribed.")] = True
    list_id: Annotated[Id, Meta(description="Only contacts on a list, static or dynamic.")] = ""


class ContactFields(msgspec.Struct, frozen=True):
    """What may be said of a contact. The fields after `subscribed` are an extension."""

    first_name: ShortText | UnsetType | None = UNSET
    last_name: ShortText | UnsetType | None = UNSET
    attributes: Attributes | UnsetType = UNSET
    subscribed: bool | UnsetType = UNSET
    status: Ours[StatusWord] | UnsetType = UNSET
    tags: Ours[TagList] | UnsetType = UNSET
    phone: Ours[Annotated[str, Meta(max_length=50)]] | UnsetType | None = UNSET
    company: Ours[Annotated[str, Meta(max_length=150)]] | UnsetType | None = UNSET
    job_title: Ours[ShortText] | UnsetType | None = UNSET
    source: Ours[ShortText] | UnsetType | None = UNSET
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
    """A new contact; `list_id` puts it on a list."""

    email: Email
    list_id: Id | UnsetType = UNSET


class ContactPatch(ContactFields, frozen=True, kw_only=True):
    """The parts of a contact to change; attributes merge, null removes one."""

    email: Email | UnsetType = UNSET
