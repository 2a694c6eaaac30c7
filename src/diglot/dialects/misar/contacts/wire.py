"""The structs of Misar's contact calls: contacts, pages, bulk calls, scores and files."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import Extension, LegacySpelling, Uuid, schema_ref
from diglot.api.contact_shape import (
    WireTypes,
    given_types,
    older_spellings,
    shown_types,
    stored_fields_except,
    writable_fields_except,
)
from diglot.api.extensions.as_of import AsOfQuery
from diglot.conditions.fields import FieldKind
from diglot.dialects.misar import wire
from diglot.dialects.misar.contacts.tiers import Tier
from diglot.dialects.misar.wire import (
    Attributes,
    BothPagination,
    Count,
    Email,
    Number,
    StatusWord,
    TagList,
    Tags,
    Time,
)

ContactId = Uuid

TierWord = Annotated[Tier, schema_ref("EngagementTier")]

ATTRIBUTES_KEY: Final = "custom_fields"
_OLDER_CONTAINERS: Final = ("customFields", "metadata")
ATTRIBUTE_CONTAINERS: Final = (ATTRIBUTES_KEY, *_OLDER_CONTAINERS)
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
_GIVEN_TYPES: Final[WireTypes] = {
    **_TYPES,
    FieldKind.TAGS: TagList,
    **dict.fromkeys(_OLDER_CONTAINERS, Attributes),
}
_GIVEN: Final = {
    **given_types(_GIVEN_KEYS, _GIVEN_TYPES),
    **given_types(older_spellings(_GIVEN_KEYS), _GIVEN_TYPES, LegacySpelling),
    **given_types(_OLDER_CONTAINERS, _GIVEN_TYPES, LegacySpelling),
    **given_types(writable_fields_except(_GIVEN_KEYS), _GIVEN_TYPES, Extension),
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


class ImportSummary(msgspec.Struct, frozen=True):
    """The results of an import, in numbers of contacts."""

    imported: Count
    updated: Count
    skipped: Count
    errors: Count


class ImportAnswer(msgspec.Struct, frozen=True):
    """The response to an import; `errors` names each rejected contact.

    The counts are repeated outside the summary, as the vendor's older pages show them.
    """

    success: bool
    summary: ImportSummary
    errors: list[str]
    imported: Count
    updated: Count
    skipped: Count
    failed: Count


class ContactIdQuery(msgspec.Struct, frozen=True):
    """Which contact."""

    id: Annotated[ContactId, Meta(description="The id of the contact.")]


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


class ImportContact(ContactFields, frozen=True, kw_only=True):
    """A contact in an import."""

    email: Email
    created_at: Extension[Time] | UnsetType = UNSET


class ImportBody(msgspec.Struct, frozen=True):
    """Contacts to create or update, matched by email. The four switches are spellings of the same option."""

    contacts: Annotated[list[ImportContact], Meta(max_length=10000)]
    updateExisting: bool | UnsetType = UNSET  # noqa: N815
    update_existing: LegacySpelling[bool] | UnsetType = UNSET
    skipExisting: LegacySpelling[bool] | UnsetType = UNSET  # noqa: N815
    skip_existing: LegacySpelling[bool] | UnsetType = UNSET
    tags: TagList | UnsetType = UNSET


Sort = Annotated[str, schema_ref("ContactSort")]


class ContactPageQuery(msgspec.Struct, frozen=True):
    """The page and the filters. With `id`, which older clients send, the response is that of `getContact`."""

    page: Annotated[int, Meta(ge=1, description="Page number, from 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description="Results per page; more than 100 is read as 100.")] = 50
    id: LegacySpelling[Annotated[str, Meta(description="Return only this contact.")]] = ""
    search: Annotated[str, Meta(description="Up to 50 words, each contained in the email or a name.")] = ""
    status: Annotated[wire.StatusWord, Meta(description="Only contacts with this status.")] = ""
    segment_id: Annotated[str, Meta(description="Only members of this segment; 404 if it is missing.")] = ""
    segmentId: LegacySpelling[Annotated[str, Meta(description="Another spelling of `segment_id`.")]] = ""  # noqa: N815
    as_of: Extension[AsOfQuery] = ""
    sort: Annotated[Sort, Meta(description="The order; by default the newest contacts come first.")] = ""


class ContactPatchQuery(msgspec.Struct, frozen=True):
    """The contact, if the body does not name it."""

    id: Annotated[str, Meta(description="The contact; by default, that with the email in the body.")] = ""


class ContactPatchByEmail(ContactFields, frozen=True, kw_only=True):
    """An update of the contact with this email. With an id in the query, the email is the new one."""

    email: wire.Email | UnsetType = UNSET


class ContactScore(msgspec.Struct, frozen=True):
    """The engagement score, and its tier, a fifth of 0 to 100; both are null without a score."""

    score: wire.Number | None
    tier: TierWord | None
    success: bool


MAX_IDS: Final = 10_000
Ids = Annotated[list[str], Meta(max_length=MAX_IDS)]


class BulkDelete(msgspec.Struct, frozen=True):
    """The ids of the contacts, in one of three spellings."""

    ids: Ids
    contact_ids: LegacySpelling[Ids] | UnsetType = UNSET
    contactIds: LegacySpelling[Ids] | UnsetType = UNSET  # noqa: N815


class BulkUpdate(BulkDelete, frozen=True, kw_only=True):
    """The ids of the contacts, and the update for each of them; an email is rejected."""

    update: ContactFields


class BulkUpdateAnswer(msgspec.Struct, frozen=True):
    """The number of contacts that now match the update, and the ids that do not exist."""

    success: bool
    updated: wire.Count
    not_found: list[str]


class BulkDeleteAnswer(msgspec.Struct, frozen=True):
    """The number of deleted contacts, and the ids that do not exist."""

    success: bool
    deleted: wire.Count
    not_found: list[str]


Switch = Annotated[str, schema_ref("YesOrNo")]
TagText = Annotated[str, Meta(description="Tags for every contact, separated by commas.")]


class ImportQuery(msgspec.Struct, frozen=True):
    """The options for every contact of an import, if the body has no property for them."""

    updateExisting: Annotated[Switch, Meta(description="Whether existing contacts are updated.")] = "true"  # noqa: N815
    update_existing: LegacySpelling[
        Annotated[Switch, Meta(description="Another spelling of `updateExisting`.")]
    ] = "true"
    skipExisting: LegacySpelling[  # noqa: N815
        Annotated[Switch, Meta(description="The opposite of `updateExisting`.")]
    ] = "false"
    skip_existing: LegacySpelling[
        Annotated[Switch, Meta(description="Another spelling of `skipExisting`.")]
    ] = "false"
    tags: TagText = ""


class ImportForm(msgspec.Struct, frozen=True):
    """A file of comma-separated values whose first row names the fields, and the options of the query."""

    file: Annotated[str, Meta(extra_json_schema={"contentMediaType": "text/csv"})]
    updateExisting: Switch | UnsetType = UNSET  # noqa: N815
    update_existing: LegacySpelling[Switch] | UnsetType = UNSET
    skipExisting: LegacySpelling[Switch] | UnsetType = UNSET  # noqa: N815
    skip_existing: LegacySpelling[Switch] | UnsetType = UNSET
    tags: TagText | UnsetType = UNSET
