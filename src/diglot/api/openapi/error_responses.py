"""The answers that tell of a fault, shared by all calls, each with what the code says of such a fault."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from diglot.api.dialect import Dialect, Surface
from diglot.api.openapi import headers
from diglot.api.openapi.annotations import ref
from diglot.api.operation import JSON, MEGABYTE, Operation
from diglot.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Reused,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unsupported,
)


@dataclass(frozen=True, slots=True)
class _Row:
    """A sort of fault: its name, its status, what it means, and errors of the sort by what they tell of."""

    name: str
    status: int
    description: str
    errors: Mapping[str, Exception]


_REUSED: Final[Mapping[str, Exception]] = {"the name of another request": Reused()}
_KNOWN: Final = {
    "an address that a contact has": Conflict("contact", "A contact with this email already exists")
}
_ROWS: Final = (
    _Row(
        "BadRequest",
        400,
        "The input is at fault; the body says where.",
        {"a time that is none": Invalid.at(("as_of",), "Expected an instant or a sequence number")},
    ),
    _Row(
        "Unauthorized",
        401,
        "No key, or a key that is unknown or revoked.",
        {"no key": Unauthenticated()},
    ),
    _Row("Forbidden", 403, "The key lacks a scope.", {"a key without the scope": Forbidden("")}),
    _Row("NotFound", 404, "No such thing in the key's workspace.", {"no such segment": NotFound("segment")}),
    _Row("Repeated", 409, "The `Idempotency-Key` was used for another request.", _REUSED),
    _Row(
        "Conflict",
        409,
        "A thing of this name exists already, or what this one is forbids the change, or the "
        "`Idempotency-Key` was used for another request.",
        {**_KNOWN, **_REUSED},
    ),
    _Row(
        "ContentTooLarge",
        413,
        "The body passes the limit of the call.",
        {"more than a mebibyte": TooLarge(MEGABYTE)},
    ),
    _Row(
        "UnsupportedMediaType",
        415,
        "The body is of another media type.",
        {"not JSON": Unsupported((JSON,))},
    ),
    _Row(
        "TooManyRequests",
        429,
        "The key asks too often; `Retry-After` says how many seconds to wait.",
        {"half a minute to wait": TooMany(30)},
    ),
    _Row(
        "InternalServerError",
        500,
        "Diglot is at fault; the log has the request id.",
        {"a fault of Diglot": RuntimeError()},
    ),
)
_NAMES: Final = {row.status: row.name for row in _ROWS}


def faults(dialect: Dialect) -> dict[str, Any]:
    """Return every answer that tells of a fault, by name."""
    surfaces = {surface.error_body: surface for surface in reversed(dialect.surfaces)}
    return {
        _prefix(surface) + row.name: {
            "description": row.description,
            "headers": headers.of_fault(dialect, row.status),
            "content": {
                JSON: {"schema": ref(body.__name__), "examples": _examples(dialect, surface, row)},
            },
        }
        for body, surface in surfaces.items()
        for row in _ROWS
    }


def of_call(operation: Operation, surface: Surface) -> dict[str, Any]:
    """Return the answers that a call may give for a fault, by status."""
    prefix = f"#/components/responses/{_prefix(surface)}"
    names = _NAMES | {409: "Conflict" if operation.conflict else "Repeated"}
    return {str(status): {"$ref": prefix + names[status]} for status in sorted(_statuses(operation))}


def _prefix(surface: Surface) -> str:
    return surface.error_body.__name__.removesuffix("Body").removesuffix("Error")


def _statuses(operation: Operation) -> Iterator[int]:
    yield from (401, 403, 429, 500)
    if operation.query is not None or operation.body is not None or operation.may_be_named:
        yield 400
    if operation.body is not None:
        yield from (413, 415)
    if _names_a_thing(operation):
        yield 404
    if operation.may_be_named or operation.conflict:
        yield 409


def _names_a_thing(operation: Operation) -> bool:
    """Tell whether the path, the query or the body names something that has to exist."""
    structs = [struct for struct in (operation.query, operation.body) if struct is not None]
    fields = {name for struct in structs for name in struct.__struct_fields__}
    named = operation.names or not fields.isdisjoint({"id", "list_id", "segment_id"})
    return named or operation.has_id or operation.method == "PATCH"


def _examples(dialect: Dialect, surface: Surface, row: _Row) -> dict[str, Any]:
    """Return what the surface answers to errors of a sort."""
    found: dict[str, Any] = {}
    for told, error in row.errors.items():
        if isinstance(error, Conflict) and surface.error_body is not dialect.surfaces[0].error_body:
            continue  # contacts are made under the first prefix
        lacks = isinstance(error, Forbidden)
        answer = surface.render_error(Forbidden(surface.endpoints[0].operation.scope) if lacks else error)
        summary = told[:1].upper() + told[1:]
        found[told.replace(" ", "-")] = {"summary": summary, "value": msgspec.to_builtins(answer.body)}
    return found
