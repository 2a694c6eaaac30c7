"""What a document says of a call: its input, its answers, its limits."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from diglot.api.dialect import Dialect, Surface
from diglot.api.openapi import error_responses, headers
from diglot.api.openapi.annotations import MARK, OLDER, ref
from diglot.api.openapi.examples import Example, Examples
from diglot.api.openapi.schemas import REF, marks, said_twice, tidy
from diglot.api.operation import JSON, MEGABYTE, Operation

PARAMETER: Final = re.compile(r"\{(\w+):str\}")


def operation(
    dialect: Dialect, surface: Surface, one: Operation, examples: Iterable[Example] | None
) -> dict[str, Any]:
    """Describe an operation."""
    known = list(examples or ())
    described: dict[str, Any] = {
        "operationId": one.id,
        "tags": [one.tag],
        "summary": one.summary,
        "description": _description(dialect, one),
    }
    if one.extension:
        described[MARK] = True
    if older := [name for name, (part, _) in _asked(one).items() if OLDER in marks(part)[0]]:
        described[OLDER] = older
    if parameters := _parameters(one, known):
        described["parameters"] = parameters
    if one.body is not None:
        described["requestBody"] = _request(one, one.body, known)
    described["responses"] = {
        str(one.status): {
            "description": "Success.",
            "headers": headers.of_success(dialect, one),
            "content": {JSON: {"schema": _schema(one.answer), **_shown(known, "answer")}},
        },
        **error_responses.of_call(one, surface),
    }
    return described


def path_parameters(dialect: Dialect, examples: Examples) -> dict[str, Any]:
    """Return the parameters of all paths, by name."""
    given = {name: value for of_one in examples.values() for name, value in _given(of_one).items()}
    names = {name: None for _, one in dialect.calls for name in PARAMETER.findall(one.path)}
    return {
        _component(name): {
            "name": name,
            "in": "path",
            "required": True,
            "description": "The id, as this API or the other shows it.",
            "schema": {"type": "string", "minLength": 1},
            **_example(given, name),
        }
        for name in names
    }


def _component(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _description(dialect: Dialect, one: Operation) -> str:
    counted, rate = dialect.rate(one)
    every = [other.id for _, other in dialect.calls if dialect.rate(other)[0] == counted]
    others = [f"`{id_}`" for id_ in every if id_ != one.id]
    together = f", counted together with {', '.join(others)}" if others else ""
    if len(every) == len(dialect.calls):
        together = ", counted over all calls"
    return (
        f"Needs the scope `{one.scope}`. A key may ask {rate.requests} times in {rate.seconds} s{together}."
    )


def _parameters(one: Operation, examples: list[Example]) -> list[dict[str, Any]]:
    found = [{"$ref": f"#/components/parameters/{_component(name)}"} for name in PARAMETER.findall(one.path)]
    found += _query_parameters(one, examples)
    if one.may_be_named:
        found.append({"$ref": "#/components/parameters/IdempotencyKey"})
    return found


def _query_parameters(one: Operation, examples: list[Example]) -> list[dict[str, Any]]:
    given = _given(examples)
    return [
        said_twice(_query_parameter(name, part, required=required)) | _example(given, name)
        for name, (part, required) in _asked(one).items()
        if OLDER not in marks(part)[0]
    ]


def _asked(one: Operation) -> dict[str, tuple[dict[str, Any], bool]]:
    """Return the schemas of the parameters of a query, by name, and whether each is required."""
    if one.query is None:
        return {}
    (_,), components = msgspec.json.schema_components([one.query], ref_template=REF)
    schema = components[one.query.__name__]
    required = schema.get("required", ())
    return {name: (part, name in required) for name, part in schema["properties"].items()}


def _query_parameter(name: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    found, bare = marks({key: value for key, value in schema.items() if key != "description"})
    inner = tidy(bare)
    if inner.get("type") != "integer":
        inner.pop("default", None)  # it stands for "not given"
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": schema["description"],
        "schema": inner,
        **({MARK: True} if MARK in found else {}),
    }


def _given(examples: Iterable[Example]) -> dict[str, Any]:
    """Return the parameters that examples have; of one that several have the first counts."""
    given: dict[str, Any] = {}
    for example in examples:
        given = dict(example.parameters) | given
    return given


def _example(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"example": given[name]} if name in given else {}


def _request(one: Operation, body: type[msgspec.Struct], examples: list[Example]) -> dict[str, Any]:
    kinds = {JSON: body, **one.other_bodies}
    content = {
        media: {
            "schema": _schema(kind),
            **_shown([example for example in examples if example.media_type == media], "body"),
        }
        for media, kind in kinds.items()
    }
    most = f"At most {one.most_bytes // MEGABYTE} MiB."
    return {"description": most, "required": not one.body_optional, "content": content}


def _schema(kind: type[msgspec.Struct | str]) -> dict[str, Any]:
    return {"type": "string"} if kind is str else ref(kind.__name__)


def _shown(examples: Iterable[Example], part: str) -> dict[str, Any]:
    """Return a part of examples, each under what it tells."""
    shown = {
        re.sub("[^a-z0-9]+", "-", one.told.lower()).strip("-"): {
            "summary": one.told[:1].upper() + one.told[1:],
            "value": getattr(one, part),
        }
        for one in examples
    }
    return {"examples": shown} if shown else {}
