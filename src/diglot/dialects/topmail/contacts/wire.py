"""Contacts as Topmail sends and reads them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.openapi.annotations import Ours
from diglot.dialects.topmail.wire import (
    Attributes,
    Count,
    Email,
    Id,
    MembersPagination,
    Money,
    Number,
    Pagination,
    ShortText,
    StatusWord,
    TagList,
    Tags,
    Text,
    Time,
    Whole,
    WindowQuery,
)


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
