"""What the structs of the wire say beside their types.

To the OpenAPI documents: what is an extension, what has a named schema. To the reader of bodies: other keys
of a field, the message of a refusal, checks that no schema can express.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta

T = TypeVar("T")
EXTENSION_KEY: Final = "x-diglot-extension"
LEGACY_KEY: Final = "x-diglot-older-spelling"
ANNOTATION_KEYS: Final = frozenset({EXTENSION_KEY, LEGACY_KEY})
# What the reader of bodies finds in the `extra` of a field.
SPELLINGS: Final = "spellings"
LONGEST: Final = "longest"
MISMATCH: Final = "mismatch"
OPTIONS: Final = "options"
REPLACEABLE: Final = "replaceable"
CHECK: Final = "check"
CONVERT: Final = "convert"
# Says what is wrong with a value of the right type, or None.
Check = Callable[[Any], str | None]
# A field that the vendor does not have.
Extension = Annotated[T, Meta(extra_json_schema={EXTENSION_KEY: True})]
# A field that is there for older clients: another says the same, and generated clients may name both alike.
LegacySpelling = Annotated[T, Meta(extra_json_schema={LEGACY_KEY: True})]
# The id of anything. A text and no `format: uuid`: clients would make a type of that, which no path takes.
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
    """Return what gives a field a named schema of the dialect."""
    return Meta(extra_json_schema=json_reference(name))


def free_form_schema(description: str, keys: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object of any members, whose keys are as said."""
    named = {"propertyNames": dict(keys)} if keys else {}
    return {"type": "object", "description": description, **named, "additionalProperties": True}


def enumeration_schema(description: str, values: Iterable[str], ours: Iterable[str] = ()) -> dict[str, Any]:
    """Return the schema of words, and which of them the vendor does not have."""
    marked = {EXTENSION_KEY: list(ours)} if ours else {}
    return {"type": "string", "enum": list(values), "description": description, **marked}


def choice_ref(name: str, options: tuple[str, ...]) -> Meta:
    """Return what gives a field the words of a named schema; refusals list them in this order."""
    return Meta(extra_json_schema=json_reference(name), extra={OPTIONS: options})


def also_spelled(*spellings: str) -> Meta:
    """Return what lets a body use other keys for a field; a body that uses several has to mean the same."""
    return Meta(extra={SPELLINGS: spellings})


def read_at_most(length: int) -> Meta:
    """Return the longest text that is read, where the schema leaves the length to a pattern or a check."""
    return Meta(extra={LONGEST: length})


def refused_as(message: str) -> Meta:
    """Return the message for a text that does not match its pattern, or for a list of another length."""
    return Meta(extra={MISMATCH: message})


def checked_by(check: Check) -> Meta:
    """Return the check that a text has to pass in place of the pattern of its schema."""
    return Meta(extra={CHECK: check})


def required_by_handler() -> Meta:
    """Return what leaves it to the handler to require a field, because another member can replace it."""
    return Meta(extra={REPLACEABLE: True})


def converted_by(convert: Callable[[Any], Any]) -> Meta:
    """Return what reads a value in place of its schema, and raises `OperandError`."""
    return Meta(extra={CONVERT: convert})
