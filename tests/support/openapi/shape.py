"""The shape of OpenAPI 3.1, limited to the parts that these documents use; all others are rejected."""

from typing import Any

from diglot.api.annotations import EXTENSION_KEY, LEGACY_KEY

MEDIA_TYPE = "application/json"
TEXT = {"type": "string", "minLength": 1}
SCHEMA = {"type": "object", "minProperties": 1}
EXTENSION = {EXTENSION_KEY: {"const": True}}
EXAMPLES = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {
        "type": "object",
        "required": ["summary", "value"],
        "additionalProperties": False,
        "properties": {"summary": TEXT, "value": {}},
    },
}


def _object(needed: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these properties, some of them required."""
    return {
        "type": "object",
        "required": needed.split(),
        "additionalProperties": False,
        "properties": properties,
    }


def _map(pattern: str, shape: Any) -> dict[str, Any]:
    """Return the schema of an object whose keys match a pattern."""
    return {"type": "object", "additionalProperties": False, "patternProperties": {pattern: shape}}


def _to(place: str) -> dict[str, Any]:
    """Return the schema of a reference to a shared part."""
    return _object("$ref", **{"$ref": {"type": "string", "pattern": f"^#/components/{place}/[A-Za-z-]+$"}})


NAMED = _to("schemas")
ANSWERED = _object(MEDIA_TYPE, **{MEDIA_TYPE: _object("schema examples", schema=NAMED, examples=EXAMPLES)})
# A file is text, in one of two formats.
_FILE = _object("schema examples", schema={"const": {"type": "string"}}, examples=EXAMPLES)
_FILE_WITHOUT_EXAMPLE = _object("schema", schema={"const": {"type": "string"}})
EXPORTED = _object(
    "text/csv",
    **{"text/csv": _FILE, "application/x-ndjson": _FILE_WITHOUT_EXAMPLE},
)
ANSWER = _object(
    "description headers content",
    description=TEXT,
    headers=_map("^[A-Z]", _to("headers")),
    content={"anyOf": [ANSWERED, EXPORTED]},
)
# A request body may have other media types too; a form is described by its schema alone.
INPUT = _object(
    "",
    **{
        MEDIA_TYPE: _object("schema examples", schema=NAMED, examples=EXAMPLES),
        "text/csv": _object("schema examples", schema={"const": {"type": "string"}}, examples=EXAMPLES),
        "multipart/form-data": _object("schema", schema=NAMED),
    },
)
PARAMETER = _object(
    "name in required description schema",
    **{"name": TEXT, "in": {"enum": ["path", "query", "header"]}, "required": {"type": "boolean"}},
    **{"description": TEXT, "schema": SCHEMA, "example": {}, **EXTENSION},
)
OPERATION = _object(
    "operationId tags summary description responses",
    operationId={"type": "string", "pattern": "^[a-z]+([A-Z][a-z]+)+$"},
    tags={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 1},
    summary=TEXT,
    description=TEXT,
    parameters={"type": "array", "items": {"anyOf": [_to("parameters"), PARAMETER]}, "minItems": 1},
    requestBody=_object(
        "description required content", description=TEXT, required={"type": "boolean"}, content=INPUT
    ),
    **{LEGACY_KEY: {"type": "array", "items": TEXT, "minItems": 1}},
    security={"const": []},
    responses={
        "type": "object",
        "minProperties": 2,
        "additionalProperties": False,
        "patternProperties": {
            "^20[012]$": ANSWER,
            "^(40[01349]|41[35]|429|50[03])$": _to("responses"),
        },
    },
    **EXTENSION,
)
DOCUMENT = _object(
    "openapi info servers security tags paths components",
    openapi={"const": "3.1.0"},
    info=_object(
        "title version description contact license",
        **dict.fromkeys(("title", "version", "description"), TEXT),
        contact=_object("name", name=TEXT),
        license={"const": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
    ),
    servers={"type": "array", "minItems": 1, "items": _object("url description", url=TEXT, description=TEXT)},
    security={"type": "array", "minItems": 1, "items": {"type": "object", "minProperties": 1}},
    tags={"type": "array", "items": _object("name description", name=TEXT, description=TEXT)},
    paths=_map("^/", _map("^(get|post|patch|delete)$", OPERATION)),
    components=_object(
        "schemas parameters headers responses securitySchemes",
        schemas=_map("^[A-Z][A-Za-z]+$", {"type": "object", "required": ["description"]}),
        parameters=_map("^[A-Z][A-Za-z]+$", PARAMETER),
        headers=_map(
            "^[A-Z][A-Za-z-]+$",
            _object(
                "description schema",
                description=TEXT,
                schema=SCHEMA,
                required={"const": True},
                **EXTENSION,
            ),
        ),
        responses=_map("^[A-Z][A-Za-z]+$", ANSWER),
        securitySchemes={"type": "object", "additionalProperties": {"required": ["type", "description"]}},
    ),
)
