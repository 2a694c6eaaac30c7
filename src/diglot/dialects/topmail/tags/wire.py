"""Topmail's structs for tags."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import converted_by, read_at_most, refused_as
from diglot.conditions.text import normalize_name
from diglot.dialects.topmail.wire import Count, Id, NullableText, Pagination, Time, WindowQuery

Name = Annotated[str, Meta(min_length=1, max_length=50), converted_by(normalize_name)]
Color = Annotated[
    str,
    Meta(pattern="^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$", examples=["#6366f1"]),
    read_at_most(7),
    refused_as("Invalid color: expected # and 3 or 6 hexadecimal digits"),
]
Description = Annotated[str, Meta(max_length=200)]


class Tag(msgspec.Struct, frozen=True):
    """A tag with its contact count. A name that was created with a contact may be longer."""

    id: Id
    name: str
    color: str
    description: NullableText
    contact_count: Count
    created_at: Time
    updated_at: Time


class TagAnswer(msgspec.Struct, frozen=True):
    """One tag."""

    data: Tag


class TagListAnswer(msgspec.Struct, frozen=True):
    """A window of tags."""

    data: list[Tag]
    pagination: Pagination


class TagQuery(WindowQuery, frozen=True):
    """Which tags."""

    search: Annotated[str, Meta(description="A part of the name; case is ignored.")] | UnsetType = UNSET


class TagCreate(msgspec.Struct, frozen=True):
    """A tag to create; no contact has it yet."""

    name: Name
    color: Color | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


class TagPatch(msgspec.Struct, frozen=True):
    """The fields of a tag to update; a new name also applies to its contacts."""

    name: Name | UnsetType = UNSET
    color: Color | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET


class Tagged(msgspec.Struct, frozen=True):
    """The number of contacts that received a tag, and its contact count."""

    added: Count
    contact_count: Count


class TaggedAnswer(msgspec.Struct, frozen=True):
    """The response to adding a tag to contacts."""

    data: Tagged
