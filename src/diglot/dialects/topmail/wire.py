"""Topmail's structs for JSON, with the properties in the vendor's order."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, Uuid, reduced_to, schema_ref
from diglot.api.extensions.as_of import OfPast, Revision
from diglot.api.input.query_string import MAX_OFFSET

NullableText = str | None
_MAX_LIMIT: Final = 1_000
Number = Annotated[float, Meta(extra_json_schema={"format": "double"})]
Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
Money = Annotated[Number, Meta(ge=0, le=2**53 - 1)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2025-01-15T10:30:00.000Z"])]
Id = Uuid
Conditions = Annotated[msgspec.Raw, schema_ref("Conditions")]
Tags = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]
Attributes = Annotated[msgspec.Raw, schema_ref("Attributes")]
Name = Annotated[str, Meta(min_length=1, max_length=100)]


class Pagination(msgspec.Struct, frozen=True):
    """The position of a window in the result."""

    total: Count
    limit: Count
    offset: Count
    has_more: bool


class MembersPagination(Pagination, frozen=True):
    """The position of a window of members. For a past state, `deleted` counts the contacts deleted since.

    The fields after `has_more` are an extension: the time of the total and the revision of the conditions.
    A static list has no revision. The fields are missing if neither a segment nor a list is requested.
    """

    count_as_of: Extension[Time] | UnsetType = UNSET
    revision: Extension[Revision] | UnsetType | None = UNSET
    as_of: Extension[OfPast] = UNSET
    deleted: Extension[OfPast] = UNSET


class Deleted(msgspec.Struct, frozen=True):
    """The result of a deletion."""

    success: bool


class DeletedAnswer(msgspec.Struct, frozen=True):
    """The response to a deletion."""

    data: Deleted


class ErrorDetail(msgspec.Struct, frozen=True):
    """The error; validation errors may have a `path`."""

    code: str
    message: str
    path: str | UnsetType = UNSET


class ErrorBody(msgspec.Struct, frozen=True):
    """Any error."""

    error: ErrorDetail


class WindowQuery(msgspec.Struct, frozen=True):
    """Which window."""

    limit: Annotated[
        int,
        Meta(ge=1, description=f"Rows to return; more than {_MAX_LIMIT} is read as {_MAX_LIMIT}."),
        reduced_to(_MAX_LIMIT),
    ] = 100
    offset: Annotated[int, Meta(ge=0, description="Rows to skip."), reduced_to(MAX_OFFSET)] = 0
