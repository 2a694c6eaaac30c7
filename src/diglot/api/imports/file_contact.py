"""A contact as a row of a file gives it: every field that a client may write, in one spelling each."""

from functools import cache
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET

from diglot.api.annotations import read_by
from diglot.api.contact_shape import WireTypes, given_types, writable_fields_except
from diglot.api.input.contact_values import Email, StatusWord, TagList
from diglot.api.input.contacts import ContactReader, contact_reader
from diglot.api.input.json_values import read_attributes
from diglot.conditions.fields import FieldKind

ATTRIBUTES_KEY: Final = "attributes"
# Other properties that contain custom fields in the bodies of the vendors.
ATTRIBUTE_CONTAINERS: Final = ("custom_fields", "customFields", "metadata")
_TYPES: Final[WireTypes] = {
    FieldKind.TEXT: str,
    FieldKind.CHOICE: StatusWord,
    FieldKind.BOOLEAN: bool,
    FieldKind.TAGS: TagList,
    FieldKind.NUMBER: float,
    FieldKind.INSTANT: str,
}
_FIELDS: Final = given_types([*writable_fields_except(()), "created_at"], _TYPES)


class FileContact(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a contact in a file."""

    __annotations__ = {
        **_FIELDS,
        ATTRIBUTES_KEY: Annotated[dict[str, Any], read_by(read_attributes)] | msgspec.UnsetType,
        "email": Email,
    }
    vars().update(dict.fromkeys((*_FIELDS, ATTRIBUTES_KEY), UNSET))


@cache
def file_reader() -> ContactReader:
    """Return the reader of contacts in files."""
    return contact_reader(FileContact, ATTRIBUTES_KEY)
