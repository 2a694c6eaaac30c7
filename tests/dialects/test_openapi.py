"""The committed documents equal the served ones, and are sound."""

import re
from collections import Counter
from pathlib import Path
from typing import Any, cast

import jsonschema
import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from diglot import app
from diglot.api.annotations import EXTENSION_KEY
from diglot.api.dialect import Dialect
from diglot.api.openapi import document as openapi_document
from diglot.api.openapi.examples import load_examples
from diglot.api.openapi.field_descriptions import FIELD_DESCRIPTIONS
from diglot.dialects.misar.words import WORDS as MISAR
from diglot.dialects.registry import DIALECTS
from diglot.dialects.topmail.words import WORDS as TOPMAIL
from diglot.server.console import docs
from diglot.settings import Settings
from support.openapi.documents import misfit, operations, parts, resolved
from support.openapi.exchanges import load_stories
from support.openapi.shape import DOCUMENT, MEDIA_TYPE
from support.paths import ROOT

FILES = ROOT / "openapi"
WORDS = {"misar": MISAR, "topmail": TOPMAIL}


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return cast("Dialect", request.param)


@pytest.fixture
def document(dialect: Dialect) -> dict[str, Any]:
    return msgspec.json.decode(openapi_document.encode_document(dialect), type=dict[str, Any])


def test_the_file_is_what_the_code_serves(dialect: Dialect) -> None:
    """`diglot openapi NAME --output openapi/NAME.json` updates the file."""
    assert (FILES / f"{dialect.name}.json").read_bytes() == openapi_document.encode_document(dialect)


def test_every_dialect_has_a_file_and_every_file_a_dialect() -> None:
    """The folder has no other files."""
    assert {path.stem for path in FILES.glob("*.json")} == {dialect.name for dialect in DIALECTS}


def test_it_has_the_shape_of_openapi(document: dict[str, Any]) -> None:
    """The document fits the shape, which rejects stray and missing properties."""
    jsonschema.Draft202012Validator(DOCUMENT).validate(document)


def test_its_schemas_are_schemas(document: dict[str, Any]) -> None:
    """Every schema is valid JSON Schema in the dialect of OpenAPI 3.1."""
    results = [*document["components"]["schemas"].values()]
    results += [part["schema"] for part in parts(document) if isinstance(part.get("schema"), dict)]
    for schema in results:
        jsonschema.Draft202012Validator.check_schema(schema)


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    """A generated client has one method for each call."""
    counts = Counter(operation["operationId"] for _, _, operation in operations(document))
    assert [id_ for id_, count in counts.items() if count > 1] == []


def test_every_reference_resolves_and_every_shared_part_is_used(document: dict[str, Any]) -> None:
    """No `$ref` dangles, no shared part is unused; a reference has no sibling properties."""
    references = [part for part in parts(document) if "$ref" in part]
    assert all(len(part) == 1 for part in references)
    places = ("schemas", "parameters", "headers", "responses")
    shared = {f"#/components/{place}/{name}" for place in places for name in document["components"][place]}
    assert {part["$ref"] for part in references} == shared


def test_every_parameter_describes_itself_in_its_schema(document: dict[str, Any]) -> None:
    """Some generators read only the schema; a `$ref` uses the description of its target."""
    every = list(document["components"]["parameters"].values())
    for _, _, operation in operations(document):
        every += [resolved(document, parameter) for parameter in operation.get("parameters", ())]
    for item in every:
        schema = item["schema"]
        assert "$ref" in schema or schema["description"] == item["description"], item["name"]


def test_every_parameter_of_a_path_is_described(document: dict[str, Any]) -> None:
    """A path declares exactly the parameters in its template, and they are required."""
    for path, _, operation in operations(document):
        every = [resolved(document, parameter) for parameter in operation.get("parameters", ())]
        described = [item for item in every if item["in"] == "path"]
        assert [item["name"] for item in described] == re.findall(r"\{(\w+)\}", path)
        assert all(item["required"] for item in described)


def test_every_tag_is_described_and_used(document: dict[str, Any]) -> None:
    """The document describes exactly the tags that calls use."""
    used = {operation["tags"][0] for _, _, operation in operations(document)}
    assert {tag["name"] for tag in document["tags"]} == used


def test_one_success_and_the_error_body_of_the_surface(dialect: Dialect, document: dict[str, Any]) -> None:
    """Each call has one success response; all others have its error body."""
    surfaces = {operation.id: surface for surface, operation in dialect.operations}
    for _, _, operation in operations(document):
        assert len([status for status in operation["responses"] if status.startswith("2")]) == 1
        errors = {
            resolved(document, answer)["content"][MEDIA_TYPE]["schema"]["$ref"]
            for status, answer in operation["responses"].items()
            if not status.startswith("2")
        }
        name = surfaces[operation["operationId"]].error_body.__name__
        assert errors == {f"#/components/schemas/{name}"}


def test_every_shape_has_a_name(document: dict[str, Any]) -> None:
    """Objects, enumerations and choices are named schemas, so that generated clients do not invent names."""
    for schema in document["components"]["schemas"].values():
        named = schema.get("oneOf")
        assert all("$ref" in each for each in named or ())
        for inner in parts([value for value in schema.values() if value is not named]):
            assert not {"enum", "oneOf", "allOf"} & {key for key in inner if not isinstance(inner[key], dict)}
            assert inner.get("type") != "object"
            choice = inner.get("anyOf", [{"$ref": "a name"}, {"type": "null"}])
            assert isinstance(choice, dict) or [list(each) for each in choice] == [["$ref"], ["type"]]


def test_names_differ_by_more_than_case(document: dict[str, Any]) -> None:
    """Clients convert names to their language's style, where case and underscores do not tell names apart."""
    named = [list(schema.get("properties", ())) for schema in document["components"]["schemas"].values()]
    for _, _, operation in operations(document):
        every = [resolved(document, parameter) for parameter in operation.get("parameters", ())]
        named.append([item["name"] for item in every])
    named += [list(document["components"]["schemas"])]
    for names in named:
        counts = Counter(re.sub("[_-]", "", name).lower() for name in names)
        assert [name for name, count in counts.items() if count > 1] == []


def test_extensions_are_marked(dialect: Dialect, document: dict[str, Any]) -> None:
    """A call, a field or a value that the vendor does not have has the extension mark and says so."""
    for _, _, operation in operations(document):
        assert ("(an extension" in operation["summary"]) == (EXTENSION_KEY in operation)
    schemas = document["components"]["schemas"]
    marked = {name: schema[EXTENSION_KEY] for name, schema in schemas.items() if EXTENSION_KEY in schema}
    for name, ours in marked.items():
        words = schemas[name].get("enum") or schemas[name].get("x-extensible-enum")
        assert set(ours) <= set(schemas[name].get("properties", words))
    assert marked["RuleOperator"] == sorted(WORDS[dialect.name].borrowed_operators.values())
    assert {"count_as_of", "revision"} <= set(marked["MembersPagination"])


def test_every_example_fits_its_schema(dialect: Dialect, document: dict[str, Any]) -> None:
    """Examples have no property that the schema does not name."""
    for part in parts(document):
        shown = part["examples"].values() if "schema" in part and "examples" in part else ()
        for example in shown:
            assert misfit(dialect.name, part["schema"], example["value"], closed=True) is None
        if "example" in part and "in" in part:
            assert misfit(dialect.name, part["schema"], part["example"]) is None


def test_every_example_is_a_step_of_a_story(dialect: Dialect) -> None:
    """The document has no example without a marked step; the stories compare the marked ones."""
    steps = Counter(step.name for story in load_stories() for step in story.steps if step.example)
    told = Counter(item.told for every in load_examples(dialect).values() for item in every)
    assert told <= steps


def test_numbers_have_a_format_and_objects_their_properties(document: dict[str, Any]) -> None:
    """Generators need both: a number without a format becomes a 32-bit float in Go."""
    for part in parts(document["components"]["schemas"]):
        if isinstance(part.get("type"), dict):
            continue  # properties, one of which has that name
        types = part["type"] if isinstance(part.get("type"), list) else [part.get("type")]
        assert "format" in part or not {"number", "integer"} & set(types)
        assert "object" not in types or {"properties", "additionalProperties"} & set(part)
        assert "const" not in part
        assert "title" not in part


def test_every_object_and_every_field_has_a_description(document: dict[str, Any]) -> None:
    """Generators copy descriptions above classes and fields; a named schema has its own."""
    for name, schema in document["components"]["schemas"].items():
        assert "description" in schema, name
        for field, part in schema.get("properties", {}).items():
            assert {"description", "$ref"} & set(part), f"{name}.{field}"


def test_field_descriptions_name_existing_fields() -> None:
    """No description is left for a field that was deleted or renamed, or that its struct describes."""
    reported: set[str] = set()
    for dialect in DIALECTS:
        for name, schema in openapi_document.build_document(dialect)["components"]["schemas"].items():
            for field, part in schema.get("properties", {}).items():
                rows = (f"{name}.{field}", field)
                reported.update(
                    row
                    for row in rows
                    if row in FIELD_DESCRIPTIONS and FIELD_DESCRIPTIONS[row] == part.get("description")
                )
    assert reported == set(FIELD_DESCRIPTIONS)


def test_every_handler_of_the_app_is_in_the_document(
    dialect: Dialect, document: dict[str, Any], tmp_path: Path
) -> None:
    """The app has exactly the calls of the document."""
    outer: Any = app.create_app(Settings(database=str(tmp_path / "diglot.db")))
    litestar: Litestar = outer._app
    served = {
        (
            re.sub(r":str\}", "}", "/" + route.path.removeprefix(dialect.base_path).lstrip("/")),
            method.lower(),
            handler.operation_id,
        )
        for route in litestar.routes
        if isinstance(route, HTTPRoute) and any(surface.contains(route.path) for surface in dialect.surfaces)
        if route.path not in docs.DOCUMENT_PATHS
        for handler in route.route_handlers
        for method in handler.http_methods - {"OPTIONS"}
    }
    described = {(path, method, one["operationId"]) for path, method, one in operations(document)}
    assert served == described
