"""Topmail's structs for lists and their members."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, choice_ref, json_reference, refused_as
from diglot.api.extensions.as_of import Revision
from diglot.api.warnings import Warnings
from diglot.dialects.topmail.wire import Count, Id, Name, NullableText, Pagination, Time, WindowQuery
from diglot.model.segments import SegmentType

LIST_TYPES: Final = (SegmentType.STATIC.value, SegmentType.DYNAMIC.value)
ListWord = Annotated[str, choice_ref("SegmentType", LIST_TYPES)]
NullableConditions = Annotated[
    msgspec.Raw,
    Meta(extra_json_schema={"anyOf": [json_reference("Conditions"), {"type": "null"}]}),
]
_MAX_IDS: Final = 10_000
ManyIds = Annotated[
    list[Id],
    Meta(min_length=1, max_length=_MAX_IDS),
    refused_as(f"Array must contain 1 to {_MAX_IDS} element(s)"),
]
Description = Annotated[str, Meta(max_length=500)]


class ContactList(msgspec.Struct, frozen=True):
    """A list. `conditions` is null for a static one.

    The fields after `updated_at` are an extension: the time of the count, the revision of the conditions,
    and the time until which the passing of time alone does not change the members.
    """

    id: Id
    name: str
    description: NullableText
    type: ListWord
    conditions: NullableConditions
    member_count: Count
    created_at: Time
    updated_at: Time
    count_as_of: Extension[Time]
    revision: Extension[Revision] | None
    next_change_at: Extension[Time] | None
    warnings: Warnings = UNSET


class ListAnswer(msgspec.Struct, frozen=True):
    """One list."""

    data: ContactList


class ListListAnswer(msgspec.Struct, frozen=True):
    """A window of lists."""

    data: list[ContactList]
    pagination: Pagination


class ListQuery(WindowQuery, frozen=True):
    """Which lists."""

    type: Annotated[ListWord, Meta(description="Only static or only dynamic lists.")] | UnsetType = UNSET
    search: (
        Annotated[
            str,
            Meta(description="A part of the name; case is ignored. An extension, as for segments and tags."),
        ]
        | UnsetType
    ) = UNSET


class ListCreate(msgspec.Struct, frozen=True):
    """A list to create. A dynamic list requires conditions; a static list has none, or null."""

    name: Name
    description: Description | UnsetType | None = UNSET
    type: ListWord | UnsetType = UNSET
    conditions: NullableConditions | UnsetType = UNSET


class ListPatch(msgspec.Struct, frozen=True):
    """The fields of a list to update; only a dynamic list has conditions."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    conditions: NullableConditions | UnsetType = UNSET


class ListType(msgspec.Struct, frozen=True):
    """The type in an update, which must be the present type of the list."""

    type: ListWord | UnsetType = UNSET


class NamedContacts(msgspec.Struct, frozen=True):
    """The ids of contacts, or a single id."""

    contact_ids: ManyIds | UnsetType = UNSET
    contact_id: Id | UnsetType = UNSET


class Joined(msgspec.Struct, frozen=True):
    """The number of contacts added to a list, and its member count."""

    added: Count
    member_count: Count


class JoinedAnswer(msgspec.Struct, frozen=True):
    """The response to adding contacts to a list."""

    data: Joined
