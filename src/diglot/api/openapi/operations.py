"""Describes a call in the document: its parameters, body, responses and limits."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from diglot.api.annotations import EXTENSION_KEY, LEGACY_KEY, json_reference
from diglot.api.dialect import Dialect, Surface
from diglot.api.openapi import error_responses, headers
from diglot.api.openapi.examples import CallExample, Examples
from diglot.api.openapi.schemas import (
    REF_TEMPLATE,
    normalize_schema,
    split_annotations,
    with_schema_description,
)
from diglot.api.operation import JSON, MEBIBYTE, Operation

PATH_PARAMETER: Final = re.compile(r"\{(\w+):str\}")


def describe_operation(
    dialect: Dialect, surface: Surface, one: Operation, examples: Iterable[CallExample] | None
) -> dict[str, Any]:
    """Return the OpenAPI operation object of a call."""
    known = list(examples or ())
    described: dict[str, Any] = {
        "operationId": one.id,
        "tags": [one.tag],
        "summary": one.summary,
        "description": _describe_limits(dialect, one),
    }
    described |= _list_marks(one)
    if parameters := _list_parameters(one, known):
        described["parameters"] = parameters
    if one.body is not None or one.other_bodies:
        described["requestBody"] = _build_request_body(one, known)
    described["responses"] = {
        str(one.status): {
            "description": "Success.",
            "headers": headers.list_for_success(dialect, one),
            "content": _build_content(one, known),
        },
        **error_responses.list_for_operation(one, surface),
    }
    return described


def _list_marks(one: Operation) -> dict[str, Any]:
    """Return what marks a call: an extension, one without a key, older spellings in its query."""
    marks: dict[str, Any] = {EXTENSION_KEY: True} if one.extension else {}
    if one.is_signed:
        # The signature is in headers of the vendor's, and no key is needed.
        marks["security"] = []
    older = [
        name for name, (part, _) in _query_schemas(one).items() if LEGACY_KEY in split_annotations(part)[0]
    ]
    return marks | ({LEGACY_KEY: older} if older else {})


def _build_content(one: Operation, examples: list[CallExample]) -> dict[str, Any]:
    """Return the content of a successful response: a file is text, and its first type has the examples."""
    kinds: dict[str, type[msgspec.Struct | str]] = dict.fromkeys(one.files, str)
    if one.response is not None:
        kinds = {JSON: one.response}
    shown = _build_examples(examples, "answer")
    return {
        media: {"schema": _schema_of(kind), **(shown if number == 0 else {})}
        for number, (media, kind) in enumerate(kinds.items())
    }


def build_path_parameters(dialect: Dialect, examples: Examples) -> dict[str, Any]:
    """Return the path parameters of all calls by name."""
    given = {name: value for of_one in examples.values() for name, value in _example_values(of_one).items()}
    names = {name: None for _, one in dialect.operations for name in PATH_PARAMETER.findall(one.path)}
    return {
        _component_name(name): {
            "name": name,
            "in": "path",
            "required": True,
            "description": "The id, in the format of this API or of the other dialect.",
            "schema": {"type": "string", "minLength": 1},
            **_find_example(given, name),
        }
        for name in names
    }


def _component_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _describe_limits(dialect: Dialect, one: Operation) -> str:
    counted, rate = dialect.rate_for(one)
    calls = [other for _, other in dialect.operations if not other.is_signed]
    every = [other.id for other in calls if dialect.rate_for(other)[0] == counted]
    others = [f"`{id_}`" for id_ in every if id_ != one.id]
    together = f", counted together with those to {', '.join(others)}" if others else ""
    if len(every) == len(calls):
        together = ", counted over all calls"
    if one.is_signed:
        return f"Requires the signature of the source. A source may send {rate.requests} in {rate.seconds} s."
    return (
        f"Requires the scope `{one.scope}`. "
        f"A key may send {rate.requests} requests in {rate.seconds} s{together}."
    )


def _list_parameters(one: Operation, examples: list[CallExample]) -> list[dict[str, Any]]:
    found = [
        {"$ref": f"#/components/parameters/{_component_name(name)}"}
        for name in PATH_PARAMETER.findall(one.path)
    ]
    found += _list_query_parameters(one, examples)
    if one.accepts_idempotency_key:
        found.append({"$ref": "#/components/parameters/IdempotencyKey"})
    return found


def _list_query_parameters(one: Operation, examples: list[CallExample]) -> list[dict[str, Any]]:
    given = _example_values(examples)
    return [
        with_schema_description(_build_query_parameter(name, part, required=required))
        | _find_example(given, name)
        for name, (part, required) in _query_schemas(one).items()
        if LEGACY_KEY not in split_annotations(part)[0]
    ]


def _query_schemas(one: Operation) -> dict[str, tuple[dict[str, Any], bool]]:
    """Return the schemas of the parameters of a query, by name, and whether each is required."""
    if one.query is None:
        return {}
    (_,), components = msgspec.json.schema_components([one.query], ref_template=REF_TEMPLATE)
    schema = components[one.query.__name__]
    required = schema.get("required", ())
    return {name: (part, name in required) for name, part in schema["properties"].items()}


def _build_query_parameter(name: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    found, bare = split_annotations({key: value for key, value in schema.items() if key != "description"})
    inner = normalize_schema(bare)
    if inner.get("type") != "integer":
        inner.pop("default", None)  # the default only marks a parameter that was not sent
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": schema["description"],
        "schema": inner,
        **({EXTENSION_KEY: True} if EXTENSION_KEY in found else {}),
    }


def _example_values(examples: Iterable[CallExample]) -> dict[str, Any]:
    """Return the parameters in the examples; the first example with a parameter determines its value."""
    given: dict[str, Any] = {}
    for example in examples:
        given = dict(example.parameters) | given
    return given


def _find_example(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"example": given[name]} if name in given else {}


def _build_request_body(one: Operation, examples: list[CallExample]) -> dict[str, Any]:
    kinds = {**({} if one.body is None else {JSON: one.body}), **one.other_bodies}
    content = {
        media: {
            "schema": _schema_of(kind),
            **_build_examples([example for example in examples if example.media_type == media], "body"),
        }
        for media, kind in kinds.items()
    }
    most = f"At most {one.max_bytes // MEBIBYTE} MiB."
    return {"description": most, "required": not one.body_optional, "content": content}


def _schema_of(kind: type[msgspec.Struct | str]) -> dict[str, Any]:
    return {"type": "string"} if kind is str else json_reference(kind.__name__)


def _build_examples(examples: Iterable[CallExample], part: str) -> dict[str, Any]:
    """Return one part (`body` or `answer`) of the examples, each under a name derived from its title."""
    shown = {
        re.sub("[^a-z0-9]+", "-", one.told.lower()).strip("-"): {
            "summary": one.told[:1].upper() + one.told[1:],
            "value": getattr(one, part),
        }
        for one in examples
    }
    return {"examples": shown} if shown else {}
