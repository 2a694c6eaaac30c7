"""The OpenAPI 3.1 document of a dialect, from its operations and structs: nothing in it is written twice."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import yaml

from diglot import __version__
from diglot.dialects.dialect import Dialect, Surface
from diglot.dialects.history import HEADER
from diglot.dialects.operations import JSON, Operation

_REF: Final = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+):str\}")
_FAULTS: Final = {
    400: "The input is at fault; the body says where.",
    401: "No key, or a key that is unknown or revoked.",
    403: "The key lacks a scope.",
    404: "No such thing in the key's workspace.",
    409: "The `Idempotency-Key` was used for another request.",
    413: "The body passes the limit of the call.",
    415: "The body is of another media type.",
    429: "The key asks too often; `Retry-After` says how many seconds to wait.",
    500: "Diglot is at fault; the log has the request id.",
}
_CONFLICT: Final = (
    "A thing of this name exists already, or what this one is forbids the change, or the `Idempotency-Key` "
    "was used for another request."
)
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A name for this request: sent again within 24 hours, it is answered as the first time.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_AS_OF: Final = {
    HEADER: {
        "description": "The sequence number of the last change of members that the answer knows.",
        "schema": {"type": "integer", "format": "int64"},
    }
}


def document(dialect: Dialect) -> dict[str, Any]:
    """Return the document of a dialect."""
    operations = [operation for _, operation in dialect.calls]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Diglot: {dialect.title}",
            "version": __version__,
            "summary": dialect.description,
            "description": f"{dialect.description} Extensions, which the vendor does not have, are marked.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": dialect.base, "description": "This server."}],
        "security": [{name: []} for name in dialect.schemes],
        "tags": [{"name": tag, "description": f"Calls on {tag}."} for tag in _tags(operations)],
        "paths": _paths(dialect),
        "components": {
            "schemas": _schemas(operations, dialect),
            "securitySchemes": dialect.schemes,
        },
    }


def encoded(dialect: Dialect) -> bytes:
    """Return the document as the file holds it."""
    return msgspec.json.format(msgspec.json.encode(document(dialect)), indent=2) + b"\n"


def encoded_yaml(dialect: Dialect) -> bytes:
    """Return the same document as YAML."""
    # From what the file says: what stands in two places of the document would be an alias in the second.
    plain = msgspec.json.decode(encoded(dialect))
    written: str = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=110)
    return written.encode()


def _tags(operations: Iterable[Operation]) -> list[str]:
    return list(dict.fromkeys(operation.tag for operation in operations))


def _paths(dialect: Dialect) -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for surface, operation in dialect.calls:
        path = f"/{surface.prefix.removeprefix(dialect.base)}/{operation.path}"
        path = re.sub("/+", "/", _PARAMETER.sub(r"{\1}", path))
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, surface)
    return paths


def _operation(operation: Operation, surface: Surface) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    parameters = [*_path_parameters(operation), *_query_parameters(operation)]
    if operation.may_be_named:
        parameters.append(_IDEMPOTENCY_KEY)
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        content = _content(operation.body, *operation.other_bodies.items())
        described["requestBody"] = {"required": not operation.body_optional, "content": content}
    described["responses"] = _responses(operation, surface)
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": "The id, as this API or the other shows it.",
            "schema": {"type": "string"},
        }
        for name in _PARAMETER.findall(operation.path)
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    (_,), components = msgspec.json.schema_components([operation.query], ref_template=_REF)
    schema = components[operation.query.__name__]
    required = schema.get("required", [])
    return [_query_parameter(name, part, name in required) for name, part in schema["properties"].items()]


def _query_parameter(name: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    inner = _tidy({key: value for key, value in schema.items() if key != "description"})
    if inner.get("type") != "integer":
        inner.pop("default", None)  # it stands for "not given"
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": schema.get("description", name),
        "schema": inner,
    }


def _content(body: type[msgspec.Struct], *others: tuple[str, type[msgspec.Struct | str]]) -> dict[str, Any]:
    return {media: {"schema": _reference(kind)} for media, kind in ((JSON, body), *others)}


def _answers(operation: Operation) -> dict[str, Any]:
    if operation.other_answer is None:
        return _content(operation.answer)
    both = [_reference(operation.answer), _reference(operation.other_answer)]
    return {JSON: {"schema": {"anyOf": both}}}


def _reference(kind: type[msgspec.Struct | str]) -> dict[str, Any]:
    return {"type": "string"} if kind is str else {"$ref": _REF.format(name=kind.__name__)}


def _responses(operation: Operation, surface: Surface) -> dict[str, Any]:
    statuses = [401, 403, 429, 500]
    if operation.query is not None or operation.body is not None or operation.may_be_named:
        statuses.append(400)
    if operation.body is not None:
        statuses += [413, 415]
    if _names_a_thing(operation):
        statuses.append(404)
    if operation.may_be_named or operation.conflict:
        statuses.append(409)
    success: dict[str, Any] = {"description": "Success.", "content": _answers(operation)}
    if operation.lists_members:
        success["headers"] = _AS_OF
    described = _FAULTS | ({409: _CONFLICT} if operation.conflict else {})
    faults = {
        str(status): {"description": described[status], "content": _content(surface.error_body)}
        for status in sorted(statuses)
    }
    return {str(operation.status): success, **faults}


def _names_a_thing(operation: Operation) -> bool:
    """Tell whether the path, the query or the body names something that has to exist."""
    structs = [struct for struct in (operation.query, operation.body) if struct is not None]
    fields = {name for struct in structs for name in struct.__struct_fields__}
    named = operation.names or not fields.isdisjoint({"id", "list_id"})
    return named or operation.has_id or operation.method == "PATCH"


def _schemas(operations: Iterable[Operation], dialect: Dialect) -> dict[str, Any]:
    roots: list[type[msgspec.Struct]] = [surface.error_body for surface in dialect.surfaces]
    for operation in operations:
        named = (operation.answer, operation.other_answer, operation.body)
        roots += [kind for kind in named if kind is not None]
        roots += [kind for kind in operation.other_bodies.values() if issubclass(kind, msgspec.Struct)]
    _, components = msgspec.json.schema_components(dict.fromkeys(roots), ref_template=_REF)
    tidy = {name: _tidy(schema) for name, schema in (components | dialect.schemas).items()}
    used = _reached(tidy, [root.__name__ for root in roots])
    return {name: tidy[name] for name in sorted(used)}


def _reached(schemas: dict[str, Any], names: list[str]) -> set[str]:
    """Return the names of the schemas that are referred to from some, and their own."""
    reached: set[str] = set()
    while names:
        name = names.pop()
        if name not in reached:
            reached.add(name)
            names += _references(schemas[name])
    return reached


def _references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for each in schema for name in _references(each)]
    if not isinstance(schema, dict):
        return []
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    return [name for each in schema.values() for name in _references(each)]


def _tidy(schema: Any) -> Any:
    """Return a schema as generators of clients like it.

    Null is one of the types where that can be said, a reference stands alone, an integer has its size,
    nothing is said twice.
    """
    if isinstance(schema, list):
        return [_tidy(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    if (inner := _nullable(schema)) is not None:
        return {**_tidy(inner), "type": [inner["type"], "null"]}
    tidy = {key: _tidy(value) for key, value in schema.items() if key != "title" and value != []}
    return {"format": "int64", **tidy} if tidy.get("type") == "integer" else tidy


def _nullable(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the other schema of a choice between one type and null."""
    options = schema.get("anyOf", [])
    others = [option for option in options if option != {"type": "null"}]
    return others[0] if len(options) == 2 and len(others) == 1 and "type" in others[0] else None
