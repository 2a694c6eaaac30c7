"""The structs of Topmail's contact calls."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, LegacySpelling, also_spelled, read_by, schema_ref
from diglot.api.contact_shape import (
    WireTypes,
    containers_besides,
    given_types,
    shown_types,
    stored_fields_except,
    writable_fields_except,
)
from diglot.api.input.contact_values import Email, StatusWord, TagList
from diglot.api.input.json_values import read_attributes
from diglot.api.input.query_string import any_text
from diglot.api.input.search import SEARCH_CHECK
from diglot.conditions.fields import FieldKind
from diglot.dialects.topmail.wire import (
    Attributes,
    Id,
    MembersPagination,
    Number,
    Pagination,
    Tags,
    Time,
    WindowQuery,
)


class ListName(msgspec.Struct, frozen=True):
    """A list that contains the contact."""

    id: Id
    name: str


ATTRIBUTES_KEY: Final = "attributes"
_OTHER_CONTAINERS: Final = containers_besides(ATTRIBUTES_KEY)
# The vendor's properties, in the order of its responses, with the types that its request bodies accept.
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
_GivenAttributes = Annotated[dict[str, Any], schema_ref("Attributes"), read_by(read_attributes)]
_GIVEN_TYPES: Final[WireTypes] = {
    **_TYPES,
    FieldKind.TAGS: TagList,
    ATTRIBUTES_KEY: Annotated[_GivenAttributes, also_spelled(*_OTHER_CONTAINERS)],
    **dict.fromkeys(_OTHER_CONTAINERS, _GivenAttributes),
}
_GIVEN: Final = {
    **given_types(_GIVEN_KEYS, _GIVEN_TYPES),
    **given_types(_OTHER_CONTAINERS, _GIVEN_TYPES, LegacySpelling),
    **given_types(writable_fields_except(_GIVEN_KEYS, first=("status", "tags")), _GIVEN_TYPES, Extension),
}


class Contact(msgspec.Struct, frozen=True):
    """A contact. The fields after `created_at` are an extension: the vendor only filters on them."""

    __annotations__ = _SHOWN | _SHOWN_EXTENSIONS


class ContactDetail(msgspec.Struct, frozen=True):
    """A contact with its lists."""

    __annotations__ = {**_SHOWN, "lists": list[ListName], **_SHOWN_EXTENSIONS}


class ContactAnswer(msgspec.Struct, frozen=True):
    """One contact."""

    data: Contact


class ContactDetailAnswer(msgspec.Struct, frozen=True):
    """A contact with its lists, as a whole response."""

    data: ContactDetail


class ContactListAnswer(msgspec.Struct, frozen=True):
    """A window of contacts."""

    data: list[Contact]
    pagination: Pagination


class SegmentContactsAnswer(msgspec.Struct, frozen=True):
    """A window of the contacts in a segment, on a list, or in the workspace."""

    data: list[Contact]
    pagination: MembersPagination


class ContactQuery(WindowQuery, frozen=True):
    """Which contacts."""

    search: (
        Annotated[
            str, Meta(description="Words; the email or a name must contain each of them."), SEARCH_CHECK
        ]
        | UnsetType
    ) = UNSET
    subscribed: (
        Annotated[bool, Meta(description="Only subscribed, or only unsubscribed contacts.")] | UnsetType
    ) = UNSET
    list_id: (
        Annotated[Id, Meta(description="Only contacts on a list, static or dynamic."), read_by(any_text)]
        | UnsetType
    ) = UNSET


class ContactFields(msgspec.Struct, frozen=True):
    """The fields of a contact. Those after `subscribed` are an extension."""

    __annotations__ = _GIVEN
    vars().update(dict.fromkeys(_GIVEN, UNSET))


class ContactCreate(ContactFields, frozen=True, kw_only=True):
    """A contact to create; `list_id` adds it to a list."""

    email: Email
    list_id: Id | UnsetType = UNSET


class ContactPatch(ContactFields, frozen=True, kw_only=True):
    """The fields of a contact to update; attributes are merged, and null removes one."""

    email: Email | UnsetType = UNSET
