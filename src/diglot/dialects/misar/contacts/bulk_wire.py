"""The structs of Misar's calls on many contacts: bulk updates, bulk deletions and imports."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import (
    Extension,
    LegacySpelling,
    also_spelled,
    counted_in,
    left_to_handler,
    read_by,
    required_by_handler,
    schema_ref,
)
from diglot.api.contact_shape import given_types
from diglot.api.imports.tag_text import read_tag_text
from diglot.api.imports.warnings.codes import ImportWarnings
from diglot.api.input.contact_values import Email, TagList
from diglot.api.input.contacts import ContactReader, ContactValues, contact_reader
from diglot.dialects.misar.contacts.wire import ATTRIBUTES_KEY, GIVEN_TYPES, ContactFields
from diglot.dialects.misar.wire import Count

MAX_CONTACTS: Final = 10_000
MAX_IDS: Final = 10_000
Ids = Annotated[list[str], Meta(max_length=MAX_IDS), counted_in("contacts")]


class BulkDelete(msgspec.Struct, frozen=True):
    """The ids of the contacts, in one of three spellings."""

    ids: Annotated[Ids, also_spelled("contact_ids", "contactIds")]
    contact_ids: LegacySpelling[Ids] | UnsetType = UNSET
    contactIds: LegacySpelling[Ids] | UnsetType = UNSET  # noqa: N815


def _read_update(value: Any) -> ContactValues:
    reader = contact_reader(ContactFields, ATTRIBUTES_KEY)
    return reader.read_object(value, {"email": "An email belongs to one contact"})


class BulkUpdate(BulkDelete, frozen=True, kw_only=True):
    """The ids of the contacts, and the update for each of them; an email is rejected."""

    update: Annotated[ContactFields, read_by(_read_update)]


class BulkUpdateAnswer(msgspec.Struct, frozen=True):
    """The number of contacts that the update changed, and the ids that do not exist."""

    success: bool
    updated: Count
    not_found: list[str]


class BulkDeleteAnswer(msgspec.Struct, frozen=True):
    """The number of deleted contacts, and the ids that do not exist."""

    success: bool
    deleted: Count
    not_found: list[str]


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
    custom_field_columns: Extension[list[str]]
    warnings: ImportWarnings = UNSET


class ImportContact(ContactFields, frozen=True, kw_only=True):
    """A contact in an import."""

    __annotations__ = {"email": Email, **given_types(("created_at",), GIVEN_TYPES, Extension)}
    created_at = UNSET


def import_reader() -> ContactReader:
    """Return the reader of the contacts in an import."""
    return contact_reader(ImportContact, ATTRIBUTES_KEY)


class ImportBody(msgspec.Struct, frozen=True):
    """Contacts to create or update, matched by email. The four switches are spellings of the same option."""

    contacts: Annotated[
        list[ImportContact], Meta(max_length=MAX_CONTACTS), counted_in("contacts"), left_to_handler()
    ]
    updateExisting: bool | UnsetType = UNSET  # noqa: N815
    update_existing: LegacySpelling[bool] | UnsetType = UNSET
    skipExisting: LegacySpelling[bool] | UnsetType = UNSET  # noqa: N815
    skip_existing: LegacySpelling[bool] | UnsetType = UNSET
    tags: TagList | UnsetType = UNSET


Switch = Annotated[bool, schema_ref("YesOrNo")]
TagText = Annotated[
    str, Meta(description="Tags for every contact, separated by commas."), read_by(read_tag_text)
]


class ImportQuery(msgspec.Struct, frozen=True):
    """The options for every contact of an import, if the body has no property for them."""

    updateExisting: (  # noqa: N815
        Annotated[Switch, Meta(description="Whether existing contacts are updated.")] | UnsetType
    ) = UNSET
    update_existing: (
        LegacySpelling[Annotated[Switch, Meta(description="Another spelling of `updateExisting`.")]]
        | UnsetType
    ) = UNSET
    skipExisting: (  # noqa: N815
        LegacySpelling[Annotated[Switch, Meta(description="The opposite of `updateExisting`.")]] | UnsetType
    ) = UNSET
    skip_existing: (
        LegacySpelling[Annotated[Switch, Meta(description="Another spelling of `skipExisting`.")]] | UnsetType
    ) = UNSET
    tags: TagText | UnsetType = UNSET


class ImportForm(msgspec.Struct, frozen=True):
    """A file of comma-separated values whose first row names the fields, and the options of the query."""

    file: Annotated[str, Meta(extra_json_schema={"contentMediaType": "text/csv"}), required_by_handler()]
    updateExisting: Switch | UnsetType = UNSET  # noqa: N815
    update_existing: LegacySpelling[Switch] | UnsetType = UNSET
    skipExisting: LegacySpelling[Switch] | UnsetType = UNSET  # noqa: N815
    skip_existing: LegacySpelling[Switch] | UnsetType = UNSET
    tags: TagText | UnsetType = UNSET
