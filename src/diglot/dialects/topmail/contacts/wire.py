"""Contacts as Topmail sends and reads them."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension
from diglot.api.contact_shape import (
    WireTypes,
    given_types,
    shown_types,
    stored_fields_except,
    writable_fields_except,
)
from diglot.conditions.fields import FieldKind
from diglot.dialects.topmail.wire import (
    Attributes,
    Email,
    Id,
    MembersPagination,
    Number,
    Pagination,
    StatusWord,
    TagList,
    Tags,
    Time,
    WindowQuery,
)


class ListName(msgspec.Struct, frozen=True):
    """A list that a contact is on."""

    id: Id
    name: str


ATTRIBUTES_KEY: Final = "attributes"
# The vendor's keys in the order of its answers, and what its bodies may say.
_SHOWN_KEYS: Final = ("id", "email", "first_name", "last_name", ATTRIBUTES_KEY, "subscribed", "created_at")
_GIVEN_KEYS: Final = ("first_name", "last_name", ATTRIBUTES_KEY, "subscribed")
_TYPES: Final[WireTypes] = {
    "id": Id,
    ATTRIBUTES_KEY: Attributes,
    FieldKind.TEXT: str,
    FieldKind.CHOICE: StatusWord,
    FieldKind.BOOLEAN: bool,
    FieldKind.TAGS: Tags,
    FieldKind.NUMBER: Number,
    FieldKind.INSTANT: Time,
}
_SHOWN: Final = shown_types(_SHOWN_KEYS, _TYPES)
_SHOWN_EXTENSIONS: Final = shown_types(
    stored_fields_except(_SHOWN_KEYS, first=("updated_at",)), _TYPES, Extension
)
_GIVEN_TYPES: Final[WireTypes] = {**_TYPES, FieldKind.TAGS: TagList}
_GIVEN: Final = {
    **given_types(_GIVEN_KEYS, _GIVEN_TYPES),
    **given_types(writable_fields_except(_GIVEN_KEYS, first=("status", "tags")), _GIVEN_TYPES, Extension),
}


class Contact(msgspec.Struct, frozen=True):
    """A contact. The fields after `created_at` are an extension: the vendor filters on them only."""

    __annotations__ = _SHOWN | _SHOWN_EXTENSIONS


class ContactDetail(msgspec.Struct, frozen=True):
    """A contact with the lists it is on."""

    __annotations__ = {**_SHOWN, "lists": list[ListName], **_SHOWN_EXTENSIONS}


class ContactAnswer(msgspec.Struct, frozen=True):
    """One contact."""

    data: Contact


class ContactDetailAnswer(msgspec.Struct, frozen=True):
    """One contact with its lists."""

    data: ContactDetail


class ContactListAnswer(msgspec.Struct, frozen=True):
    """A window of contacts."""

    data: list[Contact]
    pagination: Pagination


class SegmentContactsAnswer(msgspec.Struct, frozen=True):
    """A window of the contacts of a segment, on a list, or of all."""

    data: list[Contact]
    pagination: MembersPagination


class ContactQuery(WindowQuery, frozen=True):
    """Which contacts."""

    search: Annotated[str, Meta(description="Words, each part of the email or of a name.")] = ""
    subscribed: Annotated[bool, Meta(description="Only contacts that are, or are not, subscribed.")] = True
    list_id: Annotated[Id, Meta(description="Only contacts on a list, static or dynamic.")] = ""


class ContactFields(msgspec.Struct, frozen=True):
    """What may be said of a contact. The fields after `subscribed` are an extension."""

    __annotations__ = _GIVEN
    vars().update(dict.fromkeys(_GIVEN, UNSET))


class ContactCreate(ContactFields, frozen=True, kw_only=True):
    """A new contact; `list_id` puts it on a list."""

    email: Email
    list_id: Id | UnsetType = UNSET


class ContactPatch(ContactFields, frozen=True, kw_only=True):
    """The parts of a contact to change; attributes merge, null removes one."""

    email: Email | UnsetType = UNSET
