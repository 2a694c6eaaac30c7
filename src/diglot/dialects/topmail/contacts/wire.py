"""Contacts as Topmail sends and reads them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension
from diglot.dialects.topmail.wire import (
    Attributes,
    Count,
    Email,
    Id,
    MembersPagination,
    Money,
    NullableText,
    Number,
    Pagination,
    ShortText,
    StatusWord,
    TagList,
    Tags,
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
    first_name: NullableText
    last_name: NullableText
    attributes: Attributes
    subscribed: bool
    created_at: Time
    updated_at: Extension[Time]
    phone: Extension[NullableText]
    company: Extension[NullableText]
    job_title: Extension[NullableText]
    source: Extension[NullableText]
    status: Extension[StatusWord]
    tags: Extension[Tags]
    engagement_score: Extension[Number] | None
    lead_score: Extension[Number] | None
    total_opens: Extension[Count]
    total_clicks: Extension[Count]
    total_orders: Extension[Count]
    total_spent: Extension[Number]
    last_opened_at: Extension[Time] | None
    last_clicked_at: Extension[Time] | None
    last_emailed_at: Extension[Time] | None


class ContactDetail(msgspec.Struct, frozen=True):
    """A contact with the lists it is on."""

    id: Id
    email: str
    first_name: NullableText
    last_name: NullableText
    attributes: Attributes
    subscribed: bool
    created_at: Time
    lists: list[ListName]
    updated_at: Extension[Time]
    phone: Extension[NullableText]
    company: Extension[NullableText]
    job_title: Extension[NullableText]
    source: Extension[NullableText]
    status: Extension[StatusWord]
    tags: Extension[Tags]
    engagement_score: Extension[Number] | None
    lead_score: Extension[Number] | None
    total_opens: Extension[Count]
    total_clicks: Extension[Count]
    total_orders: Extension[Count]
    total_spent: Extension[Number]
    last_opened_at: Extension[Time] | None
    last_clicked_at: Extension[Time] | None
    last_emailed_at: Extension[Time] | None


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
    status: Extension[StatusWord] | UnsetType = UNSET
    tags: Extension[TagList] | UnsetType = UNSET
    phone: Extension[Annotated[str, Meta(max_length=50)]] | UnsetType | None = UNSET
    company: Extension[Annotated[str, Meta(max_length=150)]] | UnsetType | None = UNSET
    job_title: Extension[ShortText] | UnsetType | None = UNSET
    source: Extension[ShortText] | UnsetType | None = UNSET
    engagement_score: Extension[Annotated[Number, Meta(ge=0, le=100)]] | UnsetType | None = UNSET
    lead_score: Extension[Annotated[Number, Meta(ge=0, le=100)]] | UnsetType | None = UNSET
    total_opens: Extension[Whole] | UnsetType = UNSET
    total_clicks: Extension[Whole] | UnsetType = UNSET
    total_orders: Extension[Whole] | UnsetType = UNSET
    total_spent: Extension[Money] | UnsetType = UNSET
    last_opened_at: Extension[Time] | UnsetType | None = UNSET
    last_clicked_at: Extension[Time] | UnsetType | None = UNSET
    last_emailed_at: Extension[Time] | UnsetType | None = UNSET


class ContactCreate(ContactFields, frozen=True, kw_only=True):
    """A new contact; `list_id` puts it on a list."""

    email: Email
    list_id: Id | UnsetType = UNSET


class ContactPatch(ContactFields, frozen=True, kw_only=True):
    """The parts of a contact to change; attributes merge, null removes one."""

    email: Email | UnsetType = UNSET
