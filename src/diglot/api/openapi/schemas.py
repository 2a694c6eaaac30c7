"""The named schemas of a document, in the form that client generators handle best."""

from inspect import cleandoc
from typing import Any, Final

import msgspec

from diglot.api.annotations import ANNOTATION_KEYS, EXTENSION_KEY, LEGACY_KEY
from diglot.api.dialect import Dialect
from diglot.api.openapi.field_descriptions import add_descriptions

REF_TEMPLATE: Final = "#/components/schemas/{name}"


def build_schemas(dialect: Dialect) -> dict[str, Any]:
    """Return all schemas that a dialect's calls refer to, by name."""
    structs: list[type[msgspec.Struct]] = [surface.error_body for surface in dialect.surfaces]
    roots = []
    for _, one in dialect.operations:
        structs += [kind for kind in (one.response, one.body) if kind is not None]
        structs += [kind for kind in one.other_bodies.values() if issubclass(kind, msgspec.Struct)]
        roots += _query_references(one.query)
    _, components = msgspec.json.schema_components(dict.fromkeys(structs), ref_template=REF_TEMPLATE)
    every = {
        name: add_descriptions(name, normalize_schema(schema))
        for name, schema in (components | dialect.named_schemas).items()
    }
    used = _collect_reachable(every, [*(struct.__name__ for struct in structs), *roots])
    return {name: every[name] for name in sorted(used)}


def _query_references(query: type[msgspec.Struct] | None) -> list[str]:
    """Return the names of the schemas that a query refers to."""
    return (
        []
        if query is None
        else _find_references(msgspec.json.schema(query, ref_template=REF_TEMPLATE)["$defs"])
    )


def _collect_reachable(every: dict[str, Any], names: list[str]) -> set[str]:
    """Return the given names and those of all schemas that they refer to, directly or indirectly."""
    reached: set[str] = set()
    while names:
        name = names.pop()
        if name not in reached:
            reached.add(name)
            names += _find_references(every[name])
    return reached


def _find_references(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [name for each in schema for name in _find_references(each)]
    if not isinstance(schema, dict):
        return []
    if isinstance(schema.get("$ref"), str):
        return [schema["$ref"].rpartition("/")[2]]
    return [name for each in schema.values() for name in _find_references(each)]


def with_schema_description(parameter: dict[str, Any]) -> dict[str, Any]:
    """Copy the description into the parameter's schema, because some generators read it only there."""
    schema = parameter["schema"]
    if "$ref" in schema:
        return parameter
    return {**parameter, "schema": {"description": parameter["description"], **schema}}


def split_annotations(schema: dict[str, Any]) -> tuple[set[str], dict[str, Any]]:
    """Return the annotations of a field's schema and its alternatives, and the schema without them."""
    options = [split_annotations(one) for one in schema.get("anyOf", ())]
    found = {name for name in schema if name in ANNOTATION_KEYS}.union(*(of_one for of_one, _ in options))
    bare = {key: value for key, value in schema.items() if key not in ANNOTATION_KEYS}
    if options:
        bare["anyOf"] = [rest for _, rest in options]
    return found, bare


def normalize_schema(schema: Any) -> Any:
    """Return a schema in the form that client generators handle best.

    A nullable simple type lists null among its types, a reference has no siblings, an enumeration has the
    type string, an integer has a format, titles and empty lists are dropped, and an object lists which of
    its fields are extensions or older spellings.
    """
    if isinstance(schema, list):
        return [normalize_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return {"$ref": schema["$ref"]}
    if (inner := _nullable_inner(schema)) is not None:
        beside = {key: value for key, value in schema.items() if key != "anyOf"}
        return {**normalize_schema(inner), **beside, "type": [inner["type"], "null"]}
    if "properties" in schema:
        schema = _list_annotations(schema)
    made = {
        key: _normalize_part(key, value) for key, value in schema.items() if key != "title" and value != []
    }
    if "enum" in made:
        return {"type": "string", **made}
    return {"format": "int64", **made} if made.get("type") == "integer" else made


def _normalize_part(key: str, value: Any) -> Any:
    if key == "properties":
        return {name: normalize_schema(part) for name, part in value.items()}
    # Markdown would render the indentation of a docstring as a code block.
    return cleandoc(value) if key == "description" else normalize_schema(value)


def _list_annotations(schema: dict[str, Any]) -> dict[str, Any]:
    """List the extensions of an object, and list its older spellings instead of their schemas."""
    found = {name: split_annotations(part) for name, part in schema["properties"].items()}
    named = {
        one: [name for name, (of_one, _) in found.items() if one in of_one]
        for one in (EXTENSION_KEY, LEGACY_KEY)
    }
    older = named[LEGACY_KEY]
    return {
        **schema,
        "properties": {name: part for name, (_, part) in found.items() if name not in older},
        "required": [name for name in schema.get("required", ()) if name not in older],
        **{one: names for one, names in named.items() if names},
    }


def _nullable_inner(schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema besides null if a schema allows exactly one simple type or null."""
    options = schema.get("anyOf", [])
    others = [option for option in options if option != {"type": "null"}]
    simple = len(options) == 2 and len(others) == 1 and "type" in others[0] and "$ref" not in others[0]
    return others[0] if simple else None
