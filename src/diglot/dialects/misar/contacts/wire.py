"""The structs of Misar's contact calls: contacts, pages and scores."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import (
    Extension,
    LegacySpelling,
    Uuid,
    also_spelled,
    choice_ref,
    read_by,
    refused_as,
    schema_ref,
)
from diglot.api.contact_shape import (
    WireTypes,
    containers_besides,
    given_types,
    older_spellings,
    shown_types,
    stored_fields_except,
    writable_fields_except,
)
from diglot.api.extensions.as_of import AsOfQuery
from diglot.api.input.contact_values import Email, StatusWord, TagList
from diglot.api.input.json_values import read_attributes
from diglot.api.input.query_string import any_text
from diglot.api.input.search import MAX_SEARCH_WORDS, SEARCH_CHECK
from diglot.conditions.fields import STATUSES, FieldKind
from diglot.dialects.misar import pagination, wire
from diglot.dialects.misar.contacts.tiers import Tier
from diglot.dialects.misar.wire import (
    Attributes,
    BothPagination,
    Number,
    Tags,
    Time,
)

ContactId = Uuid

TierWord = Annotated[Tier, schema_ref("EngagementTier")]

ATTRIBUTES_KEY: Final = "custom_fields"
_OTHER_CONTAINERS: Final = containers_besides(ATTRIBUTES_KEY)
ATTRIBUTE_CONTAINERS: Final = (ATTRIBUTES_KEY, *_OTHER_CONTAINERS)
# The vendor's properties, in the order of its responses, with the types that its request bodies accept.
_SHOWN_KEYS: Final = (
    *("id", "email", "first_name", "last_name", "phone", "company", "job_title", "source", "status", "tags"),
    *(ATTRIBUTES_KEY, "engagement_score", "created_at", "updated_at"),
)
_GIVEN_KEYS: Final = _SHOWN_KEYS[_SHOWN_KEYS.index("first_name") : _SHOWN_KEYS.index("engagement_score")]
_TYPES: Final[WireTypes] = {
    "id": ContactId,
    ATTRIBUTES_KEY: Attributes,
    FieldKind.TEXT: str,
    FieldKind.CHOICE: StatusWord,
    FieldKind.BOOLEAN: bool,
    FieldKind.TAGS: Tags,
    FieldKind.NUMBER: Number,
    FieldKind.INSTANT: Time,
}
_GivenAttributes = Annotated[dict[str, Any], schema_ref("CustomFields"), read_by(read_attributes)]
GIVEN_TYPES: Final[WireTypes] = {
    **_TYPES,
    FieldKind.TAGS: TagList,
    ATTRIBUTES_KEY: Annotated[_GivenAttributes, also_spelled(*_OTHER_CONTAINERS)],
    **dict.fromkeys(_OTHER_CONTAINERS, _GivenAttributes),
}
_GIVEN: Final = {
    **given_types(_GIVEN_KEYS, GIVEN_TYPES),
    **given_types(older_spellings(_GIVEN_KEYS), GIVEN_TYPES, LegacySpelling),
    **given_types(_OTHER_CONTAINERS, GIVEN_TYPES, LegacySpelling),
    **given_types(writable_fields_except(_GIVEN_KEYS), GIVEN_TYPES, Extension),
}


class Contact(msgspec.Struct, frozen=True):
    """A contact. The fields after `updated_at` are an extension: the vendor only filters on them."""

    __annotations__ = {
        **shown_types(_SHOWN_KEYS, _TYPES),
        **shown_types(stored_fields_except(_SHOWN_KEYS), _TYPES, Extension),
    }


class ContactAnswer(msgspec.Struct, frozen=True):
    """One contact."""

    success: bool
    data: Contact


class ContactListAnswer(msgspec.Struct, frozen=True):
    """A page of contacts, under both of the vendor's property names."""

    success: bool
    data: list[Contact]
    contacts: list[Contact]
    pagination: BothPagination


class ContactIdQuery(msgspec.Struct, frozen=True):
    """Which contact."""

    id: Annotated[ContactId, Meta(description="The id of the contact."), read_by(any_text)]


class ContactFields(msgspec.Struct, frozen=True):
    """The fields of a contact. Every spelling is accepted; the totals and times are an extension."""

    __annotations__ = _GIVEN
    vars().update(dict.fromkeys(_GIVEN, UNSET))


class ContactCreate(ContactFields, frozen=True, kw_only=True):
    """A new contact."""

    email: Email


class ContactPatch(ContactFields, frozen=True, kw_only=True):
    """An update of the contact named in the path."""

    email: Email | UnsetType = UNSET


Sort = Annotated[str, choice_ref("ContactSort", tuple(pagination.SORTS))]
_STATUS_FAULT: Final = refused_as(f"Invalid enum value. Expected one of {', '.join(STATUSES)}")


class ContactPageQuery(msgspec.Struct, frozen=True):
    """The page and the filters. With `id`, which older clients send, the response is that of `getContact`."""

    page: wire.PageNumber = 1
    limit: wire.PageLimit = 50
    id: (
        LegacySpelling[Annotated[str, Meta(description="Return only this contact."), read_by(any_text)]]
        | UnsetType
    ) = UNSET
    search: (
        Annotated[
            str,
            Meta(description=f"Up to {MAX_SEARCH_WORDS} words, each contained in the email or a name."),
            SEARCH_CHECK,
        ]
        | UnsetType
    ) = UNSET
    status: (
        Annotated[StatusWord, Meta(description="Only contacts with this status."), _STATUS_FAULT] | UnsetType
    ) = UNSET
    segment_id: (
        Annotated[
            str,
            Meta(description="Only members of this segment; 404 if it is missing."),
            also_spelled("segmentId"),
        ]
        | UnsetType
    ) = UNSET
    segmentId: (  # noqa: N815
        LegacySpelling[Annotated[str, Meta(description="Another spelling of `segment_id`.")]] | UnsetType
    ) = UNSET
    as_of: Extension[AsOfQuery] | UnsetType = UNSET
    sort: (
        Annotated[Sort, Meta(description="The order; by default the newest contacts come first.")] | UnsetType
    ) = UNSET


class ContactPatchQuery(msgspec.Struct, frozen=True):
    """The contact, if the body does not name it."""

    id: (
        Annotated[
            str,
            Meta(description="The contact; by default, that with the email in the body."),
            read_by(any_text),
        ]
        | UnsetType
    ) = UNSET


class ContactPatchByEmail(ContactFields, frozen=True, kw_only=True):
    """An update of the contact with this email. With an id in the query, the email is the new one."""

    email: Email | UnsetType = UNSET


class ContactScore(msgspec.Struct, frozen=True):
    """The engagement score, and its tier, a fifth of 0 to 100; both are null without a score."""

    score: wire.Number | None
    tier: TierWord | None
    success: bool
