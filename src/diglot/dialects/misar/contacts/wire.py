"""The shapes of Misar's contact calls that are past one contact: lists, many at once, scores, files."""

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
# The vendor's keys in the order of its answers, and what its bodies may say.
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
    """A contact. The fields after `updated_at` are an extension: the vendor filters on them only."""

    __annotations__ = {
        **shown_types(_SHOWN_KEYS, _TYPES),
        **shown_types(stored_fields_except(_SHOWN_KEYS), _TYPES, Extension),
    }


class ContactAnswer(msgspec.Struct, frozen=True):
    """One contact."""

    success: bool
    data: Contact


class ContactListAnswer(msgspec.Struct, frozen=True):
    """A page of contacts, under both of the vendor's keys."""

    success: bool
    data: list[Contact]
    contacts: list[Contact]
    pagination: BothPagination


class ImportSummary(msgspec.Struct, frozen=True):
    """What an import did, in contacts."""

    imported: Count
    updated: Count
    skipped: Count
    errors: Count


class ImportAnswer(msgspec.Struct, frozen=True):
    """The answer to an import; `errors` names each contact that was refused.

    The counts stand once more beside the summary, as older pages have them.
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
    """What may be said of a contact: every spelling is read; the totals and times are an extension."""

    __annotations__ = _GIVEN
    vars().update(dict.fromkeys(_GIVEN, UNSET))


class ContactCreate(ContactFields, frozen=True, kw_only=True):
    """A new contact."""

    email: Email


class ContactPatch(ContactFields, frozen=True, kw_only=True):
    """A change to a contact named in the path."""

    email: Email | UnsetType = UNSET


class ImportContact(ContactFields, frozen=True, kw_only=True):
    """A contact of an import."""

    email: Email
    created_at: Extension[Time] | UnsetType = UNSET


class ImportBody(msgspec.Struct, frozen=True):
    """Contacts to make or to change, by address; the four switches are spellings of one."""

    contacts: Annotated[list[ImportContact], Meta(max_length=10000)]
    updateExisting: bool | UnsetType = UNSET  # noqa: N815
    update_existing: LegacySpelling[bool] | UnsetType = UNSET
    skipExisting: LegacySpelling[bool] | UnsetType = UNSET  # noqa: N815
    skip_existing: LegacySpelling[bool] | UnsetType = UNSET
    tags: TagList | UnsetType = UNSET


Sort = Annotated[str, schema_ref("ContactSort")]


class ContactPageQuery(msgspec.Struct, frozen=True):
    """Which page of whom. With `id`, as older clients ask, the answer is that one contact: `getContact`'s."""

    page: Annotated[int, Meta(ge=1, description="Page number, from 1.")] = 1
    limit: Annotated[int, Meta(ge=1, description="Results per page; more than 100 is read as 100.")] = 50
    id: LegacySpelling[Annotated[str, Meta(description="Answer this one contact.")]] = ""
    search: Annotated[str, Meta(description="Up to 50 words, each part of the email or of a name.")] = ""
    status: Annotated[wire.StatusWord, Meta(description="Only contacts of this status.")] = ""
    segment_id: Annotated[str, Meta(description="Only members of this segment; 404 without it.")] = ""
    segmentId: LegacySpelling[Annotated[str, Meta(description="Another spelling of `segment_id`.")]] = ""  # noqa: N815
    as_of: Extension[AsOfQuery] = ""
    sort: Annotated[Sort, Meta(description="The order; without it the newest come first.")] = ""


class ContactPatchQuery(msgspec.Struct, frozen=True):
    """Which contact, where the body does not say."""

    id: Annotated[str, Meta(description="The contact; without it the email in the body names it.")] = ""


class ContactPatchByEmail(ContactFields, frozen=True, kw_only=True):
    """A change to the contact that has this address; with an id in the query, its new address."""

    email: wire.Email | UnsetType = UNSET


class ContactScore(msgspec.Struct, frozen=True):
    """The engagement score, and which fifth of 0 to 100 it lies in; both null where there is none."""

    score: wire.Number | None
    tier: TierWord | None
    success: bool


MAX_IDS: Final = 10_000
Ids = Annotated[list[str], Meta(max_length=MAX_IDS)]


class BulkDelete(msgspec.Struct, frozen=True):
    """The contacts, under one of three spellings."""

    ids: Ids
    contact_ids: LegacySpelling[Ids] | UnsetType = UNSET
    contactIds: LegacySpelling[Ids] | UnsetType = UNSET  # noqa: N815


class BulkUpdate(BulkDelete, frozen=True, kw_only=True):
    """The contacts, and what is said of each; an email is refused."""

    update: ContactFields


class BulkUpdateAnswer(msgspec.Struct, frozen=True):
    """How many contacts are as the update says, and the ids that no contact has."""

    success: bool
    updated: wire.Count
    not_found: list[str]


class BulkDeleteAnswer(msgspec.Struct, frozen=True):
    """How many contacts were deleted, and the ids that no contact has."""

    success: bool
    deleted: wire.Count
    not_found: list[str]


Switch = Annotated[str, schema_ref("YesOrNo")]
TagText = Annotated[str, Meta(description="Tags for every contact, with commas between them.")]


class ImportQuery(msgspec.Struct, frozen=True):
    """What holds for every contact of an import, where the body has no place for it."""

    updateExisting: Annotated[Switch, Meta(description="Whether contacts that exist change.")] = "true"  # noqa: N815
    update_existing: LegacySpelling[Annotated[Switch, Meta(description="The same in another spelling.")]] = (
        "true"
    )
    skipExisting: LegacySpelling[Annotated[Switch, Meta(description="The opposite.")]] = "false"  # noqa: N815
    skip_existing: LegacySpelling[
        Annotated[Switch, Meta(description="The opposite in another spelling.")]
    ] = "false"
    tags: TagText = ""


class ImportForm(msgspec.Struct, frozen=True):
    """A file of comma-separated values, fields named in its first row, and what the query may say."""

    file: Annotated[str, Meta(extra_json_schema={"contentMediaType": "text/csv"})]
    updateExisting: Switch | UnsetType = UNSET  # noqa: N815
    update_existing: LegacySpelling[Switch] | UnsetType = UNSET
    skipExisting: LegacySpelling[Switch] | UnsetType = UNSET  # noqa: N815
    skip_existing: LegacySpelling[Switch] | UnsetType = UNSET
    tags: TagText | UnsetType = UNSET
