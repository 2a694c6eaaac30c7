"""Misar's structs for JSON, with the properties in the vendor's order."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, LegacySpelling, reduced_to, schema_ref
from diglot.api.extensions.as_of import OfPast, Revision
from diglot.api.input.query_string import MAX_OFFSET

NullableText = str | None
_MAX_LIMIT: Final = 100
Number = Annotated[float, Meta(extra_json_schema={"format": "double"})]
Count = Annotated[int, Meta(ge=0, extra_json_schema={"format": "int64"})]
Money = Annotated[Number, Meta(ge=0, le=2**53 - 1)]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-05-27T10:01:44Z"])]
Tags = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "array", "items": {"type": "string"}})]
Attributes = Annotated[msgspec.Raw, schema_ref("CustomFields")]
PageNumber = Annotated[int, Meta(ge=1, description="Page number, from 1."), reduced_to(MAX_OFFSET)]
PageLimit = Annotated[
    int,
    Meta(ge=1, description=f"Results per page; more than {_MAX_LIMIT} is read as {_MAX_LIMIT}."),
    reduced_to(_MAX_LIMIT),
]


class Pagination(msgspec.Struct, frozen=True):
    """The position of a page in the result."""

    page: Count
    limit: Count
    total: Count
    total_pages: Count


class BothPagination(msgspec.Struct, frozen=True):
    """The position of a page, with the number of pages in the vendor's two spellings.

    For members of a segment, the total is that of a revision of its rules at `count_as_of` (an extension).
    """

    page: Count
    limit: Count
    total: Count
    total_pages: Count
    totalPages: LegacySpelling[Count]  # noqa: N815
    count_as_of: Extension[Time] | UnsetType = UNSET
    revision: Extension[Revision] | UnsetType = UNSET
    as_of: Extension[OfPast] = UNSET
    deleted: Extension[OfPast] = UNSET


class MembersPagination(msgspec.Struct, frozen=True):
    """The position of a page of members. For a past state, `deleted` counts the contacts deleted since.

    The fields after `total_pages` are an extension: the time of the total and the revision of the rules.
    """

    page: Count
    limit: Count
    total: Count
    totalPages: LegacySpelling[Count]  # noqa: N815
    total_pages: Count
    count_as_of: Extension[Time] | UnsetType = UNSET
    revision: Extension[Revision] | UnsetType = UNSET
    as_of: Extension[OfPast] = UNSET
    deleted: Extension[OfPast] = UNSET


class Success(msgspec.Struct, frozen=True):
    """The response to a deletion."""

    success: bool


class FieldFaults(msgspec.Struct, frozen=True):
    """Faults by field, and faults of the body as a whole."""

    fieldErrors: Annotated[dict[str, list[str]], schema_ref("FaultsByField")]  # noqa: N815
    formErrors: list[str]  # noqa: N815


class ErrorBody(msgspec.Struct, frozen=True):
    """An error. Validation errors have `details`, rate limit errors have `retryAfter` in seconds.

    A limit of the workspace has the `code` `plan_limit_exceeded`.
    """

    success: bool
    error: str
    code: str | UnsetType = UNSET
    details: FieldFaults | UnsetType = UNSET
    retryAfter: Count | UnsetType = UNSET  # noqa: N815


class PageQuery(msgspec.Struct, frozen=True):
    """Which page."""

    page: PageNumber = 1
    limit: PageLimit = 20
