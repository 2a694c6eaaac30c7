"""Error responses, shared by all calls, with examples that the code renders from the exceptions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from diglot.api.annotations import json_reference
from diglot.api.dialect import Dialect, Surface
from diglot.api.openapi import headers
from diglot.api.operation import JSON, MEBIBYTE, Operation
from diglot.errors import (
    Conflict,
    ContentTooLarge,
    DatabaseAway,
    DatabaseBusy,
    Forbidden,
    IdempotencyKeyReused,
    InvalidInput,
    LimitReached,
    NotFound,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
)


@dataclass(frozen=True, slots=True)
class _ErrorKind:
    """One error response: its name, status and description, and example exceptions by name."""

    name: str
    status: int
    description: str
    errors: Mapping[str, Exception]


_REUSED_KEY: Final[Mapping[str, Exception]] = {"the name of another request": IdempotencyKeyReused()}
_KNOWN_EMAIL: Final = {
    "an address that a contact has": Conflict("contact", "A contact with this email already exists")
}
_ERROR_KINDS: Final = (
    _ErrorKind(
        "BadRequest",
        400,
        "The input is invalid; the body says where.",
        {"a time that is none": InvalidInput.at(("as_of",), "Expected an instant or a sequence number")},
    ),
    _ErrorKind(
        "Unauthorized",
        401,
        "The key is missing, unknown, expired or revoked.",
        {"no key": Unauthenticated()},
    ),
    _ErrorKind(
        "Forbidden",
        403,
        "The key lacks a scope, or the workspace has as many of something as it may have.",
        {
            "a key without the scope": Forbidden(""),
            "a workspace that is full": LimitReached("segments and dynamic lists", 2_000, 2_000),
        },
    ),
    _ErrorKind(
        "NotFound", 404, "It does not exist in the key's workspace.", {"no such segment": NotFound("segment")}
    ),
    _ErrorKind("Repeated", 409, "The `Idempotency-Key` was used for another request.", _REUSED_KEY),
    _ErrorKind(
        "Conflict",
        409,
        "The name, address or id is already taken, the current state does not allow the change, or the "
        "`Idempotency-Key` was used for another request.",
        {**_KNOWN_EMAIL, **_REUSED_KEY},
    ),
    _ErrorKind(
        "ContentTooLarge",
        413,
        "The body exceeds the size limit of the call.",
        {"more than a mebibyte": ContentTooLarge(MEBIBYTE)},
    ),
    _ErrorKind(
        "UnsupportedMediaType",
        415,
        "The call does not accept this media type.",
        {"not JSON": UnsupportedMediaType((JSON,))},
    ),
    _ErrorKind(
        "TooManyRequests",
        429,
        "The key, or all keys of its workspace together, exceeded a rate limit; `Retry-After` says how many "
        "seconds to wait.",
        {"half a minute to wait": TooManyRequests(30)},
    ),
    _ErrorKind(
        "InternalServerError",
        500,
        "A bug in Diglot; find the request id in the server's log.",
        {"a fault of Diglot": RuntimeError()},
    ),
    _ErrorKind(
        "ServiceUnavailable",
        503,
        "The database is not available, or the request could not be served in time; nothing was written. "
        "`Retry-After` says how many seconds to wait.",
        {"no database": DatabaseAway(), "a busy server": DatabaseBusy()},
    ),
)
# Titles of examples; the names of examples stay as they were published, others are their own titles.
_TITLES: Final = {
    "a time that is none": "An invalid time",
    "an address that a contact has": "The address of an existing contact",
    "the name of another request": "The idempotency key of another request",
    "half a minute to wait": "A wait of half a minute",
    "a fault of Diglot": "A bug in Diglot",
}
_NAME_BY_STATUS: Final = {row.status: row.name for row in _ERROR_KINDS}


def build_error_responses(dialect: Dialect) -> dict[str, Any]:
    """Return all error responses by name."""
    surfaces = {surface.error_body: surface for surface in reversed(dialect.surfaces)}
    return {
        _name_prefix(surface) + row.name: {
            "description": row.description,
            "headers": headers.list_for_error(dialect, row.status),
            "content": {
                JSON: {
                    "schema": json_reference(body.__name__),
                    "examples": _build_examples(dialect, surface, row),
                },
            },
        }
        for body, surface in surfaces.items()
        for row in _ERROR_KINDS
    }


def list_for_operation(operation: Operation, surface: Surface) -> dict[str, Any]:
    """Return references to the error responses of a call by status."""
    prefix = f"#/components/responses/{_name_prefix(surface)}"
    names = _NAME_BY_STATUS | {409: "Conflict" if operation.may_conflict else "Repeated"}
    return {str(status): {"$ref": prefix + names[status]} for status in sorted(_possible_statuses(operation))}


def _name_prefix(surface: Surface) -> str:
    return surface.error_body.__name__.removesuffix("Body").removesuffix("Error")


def _possible_statuses(operation: Operation) -> Iterator[int]:
    yield from (401, 429, 500, 503)
    if not operation.is_signed:
        yield 403
    if operation.query is not None or operation.body is not None or operation.accepts_idempotency_key:
        yield 400
    if operation.body is not None or operation.other_bodies:
        yield from (413, 415)
    if _references_resource(operation):
        yield 404
    if operation.accepts_idempotency_key or operation.may_conflict:
        yield 409


def _references_resource(operation: Operation) -> bool:
    """Tell whether the path, the query or the body refers to a resource, so that the call may answer 404."""
    if operation.is_signed:
        return False
    structs = [struct for struct in (operation.query, operation.body) if struct is not None]
    fields = {name for struct in structs for name in struct.__struct_fields__}
    named = operation.body_references or not fields.isdisjoint({"id", "list_id", "segment_id", "segments"})
    return named or operation.has_id or operation.method == "PATCH"


def _build_examples(dialect: Dialect, surface: Surface, row: _ErrorKind) -> dict[str, Any]:
    """Render the example errors as the surface would answer them."""
    found: dict[str, Any] = {}
    for name, error in row.errors.items():
        is_shared = surface.error_body is dialect.surfaces[0].error_body
        if isinstance(error, Conflict | LimitReached) and not is_shared:
            continue  # only the first prefix creates contacts and segments
        lacks = isinstance(error, Forbidden)
        answer = surface.render_error(Forbidden(surface.endpoints[0].operation.scope) if lacks else error)
        summary = _TITLES.get(name, name[:1].upper() + name[1:])
        found[name.replace(" ", "-")] = {"summary": summary, "value": msgspec.to_builtins(answer.body)}
    return found
