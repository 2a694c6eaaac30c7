"""Topmail's shapes of lists and of their members."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, choice_ref, json_reference, refused_as
from diglot.api.extensions.as_of import Revision
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

    The fields after `updated_at` are an extension: when the count is true, of which revision of the
    conditions, and before which instant time alone changes nobody on it.
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


class ListAnswer(msgspec.Struct, frozen=True):
    """One list."""

    data: ContactList


class ListListAnswer(msgspec.Struct, frozen=True):
    """A window of lists."""

    data: list[ContactList]
    pagination: Pagination


class ListQuery(WindowQuery, frozen=True):
    """Which lists."""

    type: Annotated[ListWord, Meta(description="Only static or only dynamic lists.")] = ""
    search: Annotated[
        str, Meta(description="A part of the name; case is ignored. An extension, as segments and tags have.")
    ] = ""


class ListCreate(msgspec.Struct, frozen=True):
    """A new list; a dynamic one needs conditions, a static one takes none or null."""

    name: Name
    description: Description | UnsetType | None = UNSET
    type: ListWord | UnsetType = UNSET
    conditions: NullableConditions | UnsetType = UNSET


class ListPatch(msgspec.Struct, frozen=True):
    """The parts of a list to change; conditions are for a dynamic one."""

    name: Name | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    conditions: NullableConditions | UnsetType = UNSET


class ListType(msgspec.Struct, frozen=True):
    """The type that a change may name, as long as it is the list's own."""

    type: ListWord | UnsetType = UNSET


class NamedContacts(msgspec.Struct, frozen=True):
    """Contacts by id: several, or one."""

    contact_ids: ManyIds | UnsetType = UNSET
    contact_id: Id | UnsetType = UNSET


class Joined(msgspec.Struct, frozen=True):
    """How many contacts came to a list, and how many are on it now."""

    added: Count
    member_count: Count


class JoinedAnswer(msgspec.Struct, frozen=True):
    """The answer to contacts put on a list."""

    data: Joined
