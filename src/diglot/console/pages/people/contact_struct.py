"""What a form of a contact may send: the fields of the table with the limits that both APIs have."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from diglot.api.annotations import read_by
from diglot.api.contact_shape import WireTypes, given_types, writable_fields_except
from diglot.api.input.contact_values import Email, StatusWord, TagList
from diglot.api.input.contacts import ContactReader, contact_reader
from diglot.api.input.json_values import read_attributes
from diglot.conditions.fields import FieldKind

ATTRIBUTES_KEY: Final = "attributes"
_TYPES: Final[WireTypes] = {
    FieldKind.TEXT: str,
    FieldKind.CHOICE: StatusWord,
    FieldKind.TAGS: TagList,
    FieldKind.NUMBER: float,
    FieldKind.INSTANT: str,
    ATTRIBUTES_KEY: Annotated[dict[str, Any], read_by(read_attributes)],
}
_GIVEN: Final = given_types((*writable_fields_except(("subscribed",)), ATTRIBUTES_KEY), _TYPES)


class ContactFields(msgspec.Struct, frozen=True):
    """The fields that a person may change."""

    __annotations__ = {"email": Email | UnsetType, **_GIVEN}
    vars().update(dict.fromkeys(__annotations__, UNSET))


def form_reader() -> ContactReader:
    """Return the reader of what a form sends."""
    return contact_reader(ContactFields, ATTRIBUTES_KEY)
