"""What the structs of the wire say to the OpenAPI documents: what is an extension, what has a name."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta

T = TypeVar("T")
MARK: Final = "x-diglot-extension"
OLDER: Final = "x-diglot-older-spelling"
MARKS: Final = frozenset({MARK, OLDER})
# A field that the vendor does not have.
Ours = Annotated[T, Meta(extra_json_schema={MARK: True})]
# A field that is there for older clients: another says the same, and generated clients may name both alike.
Older = Annotated[T, Meta(extra_json_schema={OLDER: True})]
# The id of anything. A text and no `format: uuid`: clients would make a type of that, which no path takes.
Uuid = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"},
        examples=["019ca3f1-d000-7001-8a00-5eed00000001"],
    ),
]


def ref(name: str) -> dict[str, str]:
    """Return a reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def named(name: str) -> Meta:
    """Return what gives a field a named schema of the dialect."""
    return Meta(extra_json_schema=ref(name))


def free_form(description: str, keys: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the schema of an object of any members, whose keys are as said."""
    named = {"propertyNames": dict(keys)} if keys else {}
    return {"type": "object", "description": description, **named, "additionalProperties": True}


def enumeration(description: str, values: Iterable[str], ours: Iterable[str] = ()) -> dict[str, Any]:
    """Return the schema of words, and which of them the vendor does not have."""
    marked = {MARK: list(ours)} if ours else {}
    return {"type": "string", "enum": list(values), "description": description, **marked}
