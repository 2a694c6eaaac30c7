"""Annotations for fields of the wire structs.

Some are for the OpenAPI documents: extensions and named schemas. Others are for the readers of bodies and
query strings: further spellings of a field, error messages, and what a schema cannot express.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta

T = TypeVar("T")
EXTENSION_KEY: Final = "x-diglot-extension"
LEGACY_KEY: Final = "x-diglot-older-spelling"
ANNOTATION_KEYS: Final = frozenset({EXTENSION_KEY, LEGACY_KEY})
# The keys in a field's `extra` for the readers of bodies and query strings.
SPELLINGS: Final = "spellings"
LONGEST: Final = "longest"
MISMATCH: Final = "mismatch"
OPTIONS: Final = "options"
SYNONYMS: Final = "synonyms"
REPLACEABLE: Final = "replaceable"
CHECK: Final = "check"
CONVERT: Final = "convert"
READ: Final = "read"
REDUCED_TO: Final = "reduced to"
COUNTED_IN: Final = "counted in"
LEFT_TO_HANDLER: Final = "left to handler"
# Returns the error message for a value of the right type, or None if it is valid.
Check = Callable[[Any], str | None]
# A field that the vendor does not have, called an extension.
Extension = Annotated[T, Meta(extra_json_schema={EXTENSION_KEY: True})]
# A field for older clients that repeats another one. The documents leave it out, because generated clients
# might give both the same name.
LegacySpelling = Annotated[T, Meta(extra_json_schema={LEGACY_KEY: True})]
# Any id. It has no `format: uuid`, because generated clients would use a UUID type that paths do not accept.
Uuid = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
        examples=["019ca3f1-d000-7001-8a00-5eed00000001"],
    ),
]


def json_reference(name: str) -> dict[str, str]:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def schema_ref(name: str) -> Meta:
    """Return the annotation that gives a field a named schema of the dialect."""
    return Meta(extra_json_schema=json_reference(name))


def free_form_schema(description: str, keys: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object with arbitrary members; `keys` is the schema of their names."""
    named = {"propertyNames": dict(keys)} if keys else {}
    return {"type": "object", "description": description, **named, "additionalProperties": True}


def enumeration_schema(description: str, values: Iterable[str], ours: Iterable[str] = ()) -> dict[str, Any]:
    """Return the schema of an enumeration; `ours` are the values that are extensions."""
    marked = {EXTENSION_KEY: list(ours)} if ours else {}
    return {"type": "string", "enum": list(values), "description": description, **marked}


def choice_ref(name: str, options: tuple[str, ...]) -> Meta:
    """Return the annotation for a named enumeration; error messages list the options in this order."""
    return Meta(extra_json_schema=json_reference(name), extra={OPTIONS: options})


def synonyms(words: Mapping[str, str]) -> Meta:
    """Return the annotation for words that are read as a word of the enumeration, but not documented."""
    return Meta(extra={SYNONYMS: words})


def also_spelled(*spellings: str) -> Meta:
    """Return the annotation for further spellings of a field; several in one body must not differ."""
    return Meta(extra={SPELLINGS: spellings})


def read_at_most(length: int) -> Meta:
    """Return the annotation for a maximum length if the schema has only a pattern or a check."""
    return Meta(extra={LONGEST: length})


def refused_as(message: str) -> Meta:
    """Return the annotation for the error message of a value that has the right type.

    It is blank, its pattern does not match, it is no word of the enumeration, its list has a wrong length,
    or it is a fraction in place of an integer.
    """
    return Meta(extra={MISMATCH: message})


def checked_by(check: Check) -> Meta:
    """Return the annotation for a check that replaces the pattern of the schema when a string is read."""
    return Meta(extra={CHECK: check})


def required_by_handler() -> Meta:
    """Return the annotation for a field that the handler requires, because another member can replace it."""
    return Meta(extra={REPLACEABLE: True})


def converted_by(convert: Callable[[str], Any]) -> Meta:
    """Return the annotation for the converter of a valid string."""
    return Meta(extra={CONVERT: convert})


def read_by(read: Callable[[Any], Any]) -> Meta:
    """Return the annotation for a function that reads the value in place of the reader of its type.

    It raises `OperandError`, or `InvalidInput` with paths inside the value.
    """
    return Meta(extra={READ: read})


def reduced_to(most: int) -> Meta:
    """Return the annotation for the number to which a larger number of a query is reduced."""
    return Meta(extra={REDUCED_TO: most})


def counted_in(unit: str) -> Meta:
    """Return the annotation for a list that is `ContentTooLarge` above its maximum length."""
    return Meta(extra={COUNTED_IN: unit})


def left_to_handler() -> Meta:
    """Return the annotation for a list whose elements the handler reads one by one."""
    return Meta(extra={LEFT_TO_HANDLER: True})
