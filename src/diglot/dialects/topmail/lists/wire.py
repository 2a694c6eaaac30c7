"""Topmail's shapes of lists and of their members."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.extensions.as_of import Revision
from diglot.api.openapi.annotations import Ours, named, ref
from diglot.dialects.topmail.wire import Count, Id, Name, Pagination, Text, Time, WindowQuery

ListWord = Annotated[str, named("SegmentType")]
NullableConditions = Annotated[
    msgspec.Raw,
    Meta(extra_json_schema={"anyOf": [ref("Conditions"), {"type": "null"}]}),
]
Description = Annotated[str, Meta(max_length=500)]


class ContactList(msgspec.Struct, frozen=True):
    """A list. `conditions` is null for a static one.

    The fields after `updated_at` are an extension: when the count is true, of which revision of the
    conditions, and before which instant time alone changes nobody on it.
    """

    id: Id
    name: str
    description: Text
    type: ListWord
    conditions: NullableConditions
    member_count: Count
    created_at: Time
    updated_at: Time
    count_as_of: Ours[Time]
    revision: Ours[Revision] | None
    next_change_at: Ours[Time] | None


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


class NamedContacts(msgspec.Struct, frozen=True):
    """Contacts by id: several, or one."""

    contact_ids: Annotated[list[Id], Meta(min_length=1, max_length=10_000)] | UnsetType = UNSET
    contact_id: Id | UnsetType = UNSET


class Joined(msgspec.Struct, frozen=True):
    """How many contacts came to a list, and how many are on it now."""

    added: Count
    member_count: Count


class JoinedAnswer(msgspec.Struct, frozen=True):
    """The answer to contacts put on a list."""

    data: Joined
