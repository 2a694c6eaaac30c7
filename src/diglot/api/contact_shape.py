"""Builds a dialect's wire types for contacts, and the function that shows a contact, from the field table.

A dialect lists the properties that its vendor has, in order; all other fields of the table are extensions.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final, TypeAlias, TypeVar

import msgspec
from msgspec import Meta, UnsetType

from diglot.api.annotations import also_spelled, read_by, refused_as
from diglot.api.formatting import whole_if_integral
from diglot.api.input.contact_values import read_instant
from diglot.conditions.fields import CANONICAL_NAMES, CATALOGUE, FIELDS, STORED_FIELDS, Field, FieldKind
from diglot.model.contacts import SUBSCRIBED

T = TypeVar("T", bound=msgspec.Struct)
# The wire types of a dialect, by property name or by the kind of the field; the name wins.
WireTypes: TypeAlias = Mapping[str | FieldKind, Any]
# The properties in which clients of either vendor send custom attributes.
_ATTRIBUTE_CONTAINERS: Final = ("attributes", "custom_fields", "customFields", "metadata")
_INT64: Final = Meta(extra_json_schema={"format": "int64"})
_FRACTION_FAULT: Final = refused_as("Expected integer, received float")
_COUNT: Final = Annotated[int, _INT64, Meta(ge=0)]


def stored_fields_except(names: Sequence[str], first: Sequence[str] = ()) -> list[str]:
    """Return the stored fields other than `names`: the `first` ones, then the rest in the table's order."""
    known = {*names, *first}
    return [*first, *(field.name for field in STORED_FIELDS if field.name not in known)]


def writable_fields_except(names: Sequence[str], first: Sequence[str] = ()) -> list[str]:
    """Return the writable fields other than `names` and the address, in the same order."""
    known = {*names, *first, "email"}
    return [*first, *(field.name for field in CATALOGUE if field.is_writable and field.name not in known)]


def older_spellings(names: Iterable[str]) -> list[str]:
    """Return the older spellings of fields."""
    return [alias for name in names if name in FIELDS for alias in FIELDS[name].aliases]


def shown_types(names: Iterable[str], types: WireTypes, mark: Any = None) -> dict[str, Any]:
    """Return the types of properties in responses; `mark` is an annotation such as `Extension`."""
    return {name: _shown_type(name, types, mark) for name in names}


def _shown_type(name: str, types: WireTypes, mark: Any) -> Any:
    field = FIELDS.get(name)
    found = types[name] if field is None else _COUNT if field.is_integer else types[field.kind]
    found = found if mark is None else mark[found]
    return found | None if field is not None and field.is_nullable else found


def given_types(names: Iterable[str], types: WireTypes, mark: Any = None) -> dict[str, Any]:
    """Return the types of properties in bodies: all are optional, with the limits of the field table."""
    return {name: _given_type(name, types, mark) for name in names}


def _given_type(name: str, types: WireTypes, mark: Any) -> Any:
    field = FIELDS.get(CANONICAL_NAMES.get(name, name))
    found = types[name] if field is None else _limit_type(field, types)
    if field is not None and name == field.name and field.aliases:
        found = Annotated[found, also_spelled(*field.aliases)]
    found = (found if mark is None else mark[found]) | UnsetType
    return found | None if field is not None and field.is_nullable else found


def _limit_type(field: Field, types: WireTypes) -> Any:
    if field.kind is FieldKind.TEXT:
        return Annotated[types[field.kind], Meta(max_length=field.max_length)]
    if field.kind is FieldKind.NUMBER:
        number = Annotated[int, _INT64, _FRACTION_FAULT] if field.is_integer else types[field.kind]
        return Annotated[number, Meta(ge=0, le=int(field.max_value))]
    if field.kind is FieldKind.INSTANT:
        return Annotated[types[field.kind], read_by(read_instant)]
    return types[field.kind]


def containers_besides(attributes_key: str) -> tuple[str, ...]:
    """Return the other properties in which clients of either vendor send custom attributes."""
    return tuple(name for name in _ATTRIBUTE_CONTAINERS if name != attributes_key)


# Templates that convert the expression for a stored field to the value in a response.
_SHOWN_EXPRESSIONS: Final[Mapping[FieldKind, str]] = {
    FieldKind.TAGS: "to_raw({}.encode())",
    FieldKind.NUMBER: "whole_if_integral({})",
    FieldKind.INSTANT: "format_time({})",
    FieldKind.BOOLEAN: "{} == SUBSCRIBED",
}


def build_show(
    shape: type[T], attributes_key: str, format_time: Callable[[int | None], str | None], *beside: str
) -> Callable[..., T]:
    """Return a function that converts a contact to a struct, which determines the fields and their order.

    Properties in `beside` are further arguments. The function is generated Python because a page may have a
    thousand contacts: a loop over converters takes 2.2 us for each contact, the generated code 1.5 us.
    """
    values = (
        key if key in beside else _shown_expression(key, attributes_key) for key in shape.__struct_fields__
    )
    names = {
        "shape": shape,
        "to_raw": msgspec.Raw,
        "whole_if_integral": whole_if_integral,
        "format_time": format_time,
        "SUBSCRIBED": SUBSCRIBED,
    }
    source = f"lambda {', '.join(('contact', *beside))}: shape({', '.join(values)})"
    show: Callable[..., T] = eval(source, names)  # noqa: S307 - made of the names of our own fields
    return show


def _shown_expression(key: str, attributes_key: str) -> str:
    if key == attributes_key:
        return "to_raw(contact.attributes.encode())"
    if key not in FIELDS or FIELDS[key].is_integer:
        return f"contact.{key}"
    if key == "email":
        return "contact.email_as_sent or contact.email"
    source = "status" if key == "subscribed" else key
    return _SHOWN_EXPRESSIONS.get(FIELDS[key].kind, "{}").format(f"contact.{source}")
