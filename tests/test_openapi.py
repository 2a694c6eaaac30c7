"""The committed documents are what the code serves, and are sound."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from diglot import app
from diglot.console import docs
from diglot.dialects import openapi
from diglot.dialects.dialect import Dialect
from diglot.dialects.registry import DIALECTS
from diglot.settings import Settings

FILES = Path(__file__).parent.parent / "openapi"
MEDIA_TYPE = "application/json"

# The shape of OpenAPI 3.1, as much of it as these documents use: nothing else may be in them.
TEXT = {"type": "string", "minLength": 1}
CONTENT = {
    "type": "object",
    "required": [MEDIA_TYPE],
    "additionalProperties": False,
    "properties": {MEDIA_TYPE: {"type": "object", "required": ["schema"]}},
}
# A body of input may be of other media types too.
INPUT = {
    **CONTENT,
    "properties": {
        media: {"type": "object", "required": ["schema"]}
        for media in (MEDIA_TYPE, "text/csv", "multipart/form-data")
    },
}
RESPONSE = {
    "type": "object",
    "required": ["description", "content"],
    "additionalProperties": False,
    "properties": {
        "description": TEXT,
        "content": CONTENT,
        "headers": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": {"type": "object", "required": ["description", "schema"]},
        },
    },
}
PARAMETER = {
    "type": "object",
    "required": ["name", "in", "required", "description", "schema"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "in": {"enum": ["path", "query", "header"]},
        "required": {"type": "boolean"},
        "description": TEXT,
        "schema": {"type": "object", "minProperties": 1},
    },
}
OPERATION = {
    "type": "object",
    "required": ["operationId", "tags", "summary", "responses"],
    "additionalProperties": False,
    "properties": {
        "operationId": {"type": "string", "pattern": "^[a-z]+([A-Z][a-z]+)+$"},
        "tags": {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 1},
        "summary": TEXT,
        "parameters": {"type": "array", "items": PARAMETER, "minItems": 1},
        "requestBody": {
            "type": "object",
            "required": ["required", "content"],
            "additionalProperties": False,
            "properties": {"required": {"type": "boolean"}, "content": INPUT},
        },
        "responses": {
            "type": "object",
            "minProperties": 2,
            "additionalProperties": False,
            "patternProperties": {"^(20[01]|40[01349]|41[35]|429|500)$": RESPONSE},
        },
    },
}
DOCUMENT = {
    "type": "object",
    "required": ["openapi", "info", "servers", "security", "tags", "paths", "components"],
    "additionalProperties": False,
    "properties": {
        "openapi": {"const": "3.1.0"},
        "info": {
            "type": "object",
            "required": ["title", "version", "summary", "description", "license"],
            "additionalProperties": False,
            "properties": {
                **dict.fromkeys(("title", "version", "summary", "description"), TEXT),
                "license": {"const": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            },
        },
        "servers": {"type": "array", "minItems": 1, "items": {"required": ["url", "description"]}},
        "security": {"type": "array", "minItems": 1, "items": {"type": "object", "maxProperties": 1}},
        "tags": {"type": "array", "items": {"required": ["name", "description"]}},
        "paths": {
            "type": "object",
            "additionalProperties": False,
            "patternProperties": {
                "^/": {
                    "type": "object",
                    "additionalProperties": False,
                    "patternProperties": {"^(get|post|patch|delete)$": OPERATION},
                }
            },
        },
        "components": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "schemas": {
                    "type": "object",
                    "additionalProperties": {"type": "object", "required": ["description"]},
                },
                "securitySchemes": {"type": "object", "additionalProperties": {"required": ["type"]}},
            },
        },
    },
}


def parts(node: Any) -> Iterator[dict[str, Any]]:
    """Walk every object of a document."""
    if isinstance(node, dict):
        yield node
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for each in inner:
        yield from parts(each)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Walk the operations: path, method, what is said of it."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return cast("Dialect", request.param)


@pytest.fixture
def document(dialect: Dialect) -> dict[str, Any]:
    return msgspec.json.decode(openapi.encoded(dialect), type=dict[str, Any])


def test_the_file_is_what_the_code_serves(dialect: Dialect) -> None:
    """`diglot openapi NAME --output openapi/NAME.json` mends this."""
    assert (FILES / f"{dialect.name}.json").read_bytes() == openapi.encoded(dialect)


def test_every_dialect_has_a_file_and_every_file_a_dialect() -> None:
    """Nothing is left over in the folder."""
    assert {path.stem for path in FILES.glob("*.json")} == {dialect.name for dialect in DIALECTS}


def test_it_has_the_shape_of_openapi(document: dict[str, Any]) -> None:
    """The document fits the shape, so that a stray or missing member is refused."""
    jsonschema.Draft202012Validator(DOCUMENT).validate(document)


def test_its_schemas_are_schemas(document: dict[str, Any]) -> None:
    """Every named schema and every parameter's is valid JSON Schema, the dialect of OpenAPI 3.1."""
    found = [*document["components"]["schemas"].values()]
    found += [one["schema"] for _, _, call in operations(document) for one in call.get("parameters", ())]
    for schema in found:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    """A generated client has one method for each call."""
    counts = Counter(operation["operationId"] for _, _, operation in operations(document))
    assert [id_ for id_, count in counts.items() if count > 1] == []


def test_every_reference_resolves_and_every_schema_is_referred_to(document: dict[str, Any]) -> None:
    """No dangling `$ref`, no schema that nobody uses; a reference has nothing beside it."""
    references = [part for part in parts(document) if "$ref" in part]
    assert all(len(part) == 1 for part in references)
    names = {part["$ref"].removeprefix("#/components/schemas/") for part in references}
    assert names == set(document["components"]["schemas"])


def test_every_parameter_of_a_path_is_described(document: dict[str, Any]) -> None:
    """A path has the parameters that it names, and they are required."""
    for path, _, operation in operations(document):
        described = [one for one in operation.get("parameters", ()) if one["in"] == "path"]
        assert [one["name"] for one in described] == re.findall(r"\{(\w+)\}", path)
        assert all(one["required"] for one in described)


def test_no_422_and_one_success(dialect: Dialect, document: dict[str, Any]) -> None:
    """Neither vendor answers 422; each call has one answer of success, the rest in its error body."""
    surfaces = {operation.id: surface for surface, operation in dialect.calls}
    for _, _, operation in operations(document):
        assert "422" not in operation["responses"]
        assert len([status for status in operation["responses"] if status.startswith("2")]) == 1
        errors = {
            answer["content"][MEDIA_TYPE]["schema"]["$ref"]
            for status, answer in operation["responses"].items()
            if not status.startswith("2")
        }
        name = surfaces[operation["operationId"]].error_body.__name__
        assert errors == {f"#/components/schemas/{name}"}


def test_numbers_have_a_format_and_objects_say_what_they_hold(document: dict[str, Any]) -> None:
    """What generators of clients need (a number without a format becomes a 32-bit float in Go)."""
    for part in parts(document["components"]["schemas"]):
        if isinstance(part.get("type"), dict):
            continue  # properties, one of which has that name
        types = part["type"] if isinstance(part.get("type"), list) else [part.get("type")]
        assert "format" in part or not {"number", "integer"} & set(types)
        assert "object" not in types or {"properties", "additionalProperties"} & set(part)
        assert "const" not in part
        assert "title" not in part


def test_every_handler_of_the_app_is_in_the_document(
    dialect: Dialect, document: dict[str, Any], tmp_path: Path
) -> None:
    """The app has the calls of the document and no others."""
    outer: Any = app.create_app(Settings(database=str(tmp_path / "diglot.db")))
    litestar: Litestar = outer._app
    served = {
        (
            re.sub(r":str\}", "}", "/" + route.path.removeprefix(dialect.base).lstrip("/")),
            method.lower(),
            handler.operation_id,
        )
        for route in litestar.routes
        if isinstance(route, HTTPRoute) and any(surface.has(route.path) for surface in dialect.surfaces)
        if route.path not in docs.DOCUMENTS
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS"}
    }
    described = {(path, method, one["operationId"]) for path, method, one in operations(document)}
    assert served == described
