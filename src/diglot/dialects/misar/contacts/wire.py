"""The shapes of Misar's contact calls that are past one contact: lists, many at once, scores, files."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.extensions.as_of import AsOfQuery
from diglot.api.openapi.annotations import Older, Ours, Uuid, named
from diglot.dialects.misar import wire
from diglot.dialects.misar.contacts.tiers import Tier
from diglot.dialects.misar.wire import (
    Attributes,
    BothPagination,
    Count,
    Email,
    Money,
    Number,
    StatusWord,
    TagList,
    Tags,
    Text,
    Time,
    Whole,
)

ContactId = Uuid

TierWord = Annotated[Tier, named("EngagementTier")]


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


Sort = Annotated[str, named("ContactSort")]


class ContactPageQuery(msgspec.Struct, frozen=True):
    """Which page of whom. With `id`, as older clients ask, the answer is that one contact: `getContact`'s."""

    page: Annotated[int, Meta(ge=1, description="Page number, from 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description="Results per page; more than 100 is read as 100.")] = 50
    id: Older[Annotated[str, Meta(description="Answer this one contact.")]] = ""
    search: Annotated[str, Meta(description="Up to 50 words, each part of the email or of a name.")] = ""
    status: Annotated[wire.StatusWord, Meta(description="Only contacts of this status.")] = ""
    segment_id: Annotated[str, Meta(description="Only members of this segment; 404 without it.")] = ""
    segmentId: Older[Annotated[str, Meta(description="Another spelling of `segment_id`.")]] = ""  # noqa: N815
    as_of: Ours[AsOfQuery] = ""
    sort: Annotated[Sort, Meta(description="The order; without it the newest come first.")] = ""


class ContactPatchQuery(msgspec.Struct, frozen=True):
    """Which contact, where the body does not say."""

    id: Annotated[str, Meta(description="The contact; without it the email in the body names it.")] = ""


class ContactPatchByEmail(ContactFields, frozen=True, kw_only=True):
    """A change to the contact that has this address; with an id in the query, its new address."""

    email: wire.Email | UnsetType = UNSET


class ContactScore(msgspec.Struct, frozen=True):
    """The engagement score, and which fifth of 0 to 100 it lies in; both null where there is none."""

    score: wire.Number | None
    tier: TierWord | None
    success: bool


Ids = Annotated[list[str], Meta(max_length=10_000)]


class BulkDelete(msgspec.Struct, frozen=True):
    """The contacts, under one of three spellings."""

    ids: Ids
    contact_ids: Older[Ids] | UnsetType = UNSET
    contactIds: Older[Ids] | UnsetType = UNSET  # noqa: N815


class BulkUpdate(BulkDelete, frozen=True, kw_only=True):
    """The contacts, and what is said of each; an email is refused."""

    update: ContactFields


class BulkUpdateAnswer(msgspec.Struct, frozen=True):
    """How many contacts are as the update says, and the ids that no contact has."""

    success: bool
    updated: wire.Count
    not_found: list[str]


class BulkDeleteAnswer(msgspec.Struct, frozen=True):
    """How many contacts were deleted, and the ids that no contact has."""

    success: bool
    deleted: wire.Count
    not_found: list[str]


Switch = Annotated[str, named("YesOrNo")]
TagText = Annotated[str, Meta(description="Tags for every contact, with commas between them.")]


class ImportQuery(msgspec.Struct, frozen=True):
    """What holds for every contact of an import, where the body has no place for it."""

    updateExisting: Annotated[Switch, Meta(description="Whether contacts that exist change.")] = "true"  # noqa: N815
    update_existing: Older[Annotated[Switch, Meta(description="The same in another spelling.")]] = "true"
    skipExisting: Older[Annotated[Switch, Meta(description="The opposite.")]] = "false"  # noqa: N815
    skip_existing: Older[Annotated[Switch, Meta(description="The opposite in another spelling.")]] = "false"
    tags: TagText = ""


class ImportForm(msgspec.Struct, frozen=True):
    """A file of comma-separated values, fields named in its first row, and what the query may say."""

    file: Annotated[str, Meta(extra_json_schema={"contentMediaType": "text/csv"})]
    updateExisting: Switch | UnsetType = UNSET  # noqa: N815
    update_existing: Older[Switch] | UnsetType = UNSET
    skipExisting: Older[Switch] | UnsetType = UNSET  # noqa: N815
    skip_existing: Older[Switch] | UnsetType = UNSET
    tags: TagText | UnsetType = UNSET
