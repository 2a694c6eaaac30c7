"""Topmail's shapes: what the JSON on the wire looks like, keys in the order the vendor prints them."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, Uuid, converted_by, schema_ref
from diglot.api.extensions.as_of import OfPast, Revision
from diglot.api.input.events import read_email
from diglot.api.patterns import EMAIL

NullableText = str | None
Number = Annotated[float, Meta(extra_json_schema={"format": "double"})]
Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
Money = Annotated[Number, Meta(ge=0, le=2**53 - 1)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2025-01-15T10:30:00.000Z"])]
Id = Uuid
Conditions = Annotated[msgspec.Raw, schema_ref("Conditions")]
Tags = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]
Attributes = Annotated[msgspec.Raw, schema_ref("Attributes")]
TagList = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=50)]
Email = Annotated[
    str, Meta(max_length=254, pattern=EMAIL, examples=["ada@example.com"]), converted_by(read_email)
]
StatusWord = Annotated[str, schema_ref("ContactStatus")]
Name = Annotated[str, Meta(min_length=1, max_length=100)]


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

    count_as_of: Extension[Time] | UnsetType = UNSET
    revision: Extension[Revision] | UnsetType | None = UNSET
    as_of: Extension[OfPast] = UNSET
    deleted: Extension[OfPast] = UNSET


class Deleted(msgspec.Struct, frozen=True):
    """What a deletion says."""

    success: bool


class DeletedAnswer(msgspec.Struct, frozen=True):
    """The answer to a deletion."""

    data: Deleted


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong; `path` stands on validation errors that have one."""

    code: str
    message: str
    path: str | UnsetType = UNSET


class ErrorBody(msgspec.Struct, frozen=True):
    """Any error."""

    error: ErrorDetail


class WindowQuery(msgspec.Struct, frozen=True):
    """Which window."""

    limit: Annotated[int, Meta(ge=1, description="Rows to return; more than 1000 is read as 1000.")] = 100
    offset: Annotated[int, Meta(ge=0, description="Rows to skip.")] = 0
