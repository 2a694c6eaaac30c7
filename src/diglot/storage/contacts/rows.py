"""Converts contacts to rows and back; only this module writes the derived columns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from diglot.conditions import text
from diglot.conditions.fields import STORED_FIELDS, FieldKind
from diglot.model.contacts import Contact
from diglot.storage import bulk
from diglot.storage.predicates.token_documents import build_attribute_documents, build_tag_documents
from diglot.storage.schema import contacts

# The field of a contact that is stored in the column `as_sent` alone.
EMAIL_AS_SENT: Final = "email_as_sent"
# The address is stored in the form in which it is compared, other text fields get their normal form here.
TEXT_FIELDS: Final = tuple(
    field.name for field in STORED_FIELDS if field.kind is FieldKind.TEXT and field.name != "email"
)
_COLUMN_NAMES: Final = tuple(name for name in Contact.__struct_fields__ if name != EMAIL_AS_SENT)
_KEYS: Final = ("pk", "id")
# The columns that hold the value of a field and nothing derives from, such as numbers and instants.
_PLAIN_FIELDS: Final = tuple(
    name for name in _COLUMN_NAMES if name not in (*_KEYS, *TEXT_FIELDS, "email", "tags", "attributes")
)
_NO_TEXT: Final = (None, None)
# The columns that derive from the attributes, and depend on the time zone of the workspace.
DERIVED_COLUMNS: Final = ("attributes_exact", "attributes_fold", "attributes_number", "attributes_instant")
# The columns follow the struct, so a row is read by position, which takes a tenth of the time.
CONTACT_COLUMNS: Final = (*(contacts.c[name] for name in _COLUMN_NAMES), contacts.c.as_sent)

_plain_values_of = attrgetter(*_PLAIN_FIELDS)
_text_values_of = attrgetter(*TEXT_FIELDS)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def contact_of(row: Sequence[Any]) -> Contact:
    """Return the contact of a row selected with `CONTACT_COLUMNS`."""
    contact = Contact(*row[:-1])
    return contact if row[-1] is None else replace(contact, **_decode(row[-1]))


def shown_email(email: str, as_sent: str | None) -> str:
    """Return the address of a contact as it was sent, from two of its columns."""
    sent: str = email if as_sent is None else _decode(as_sent).get(EMAIL_AS_SENT, email)
    return sent


def row_of(contact: Contact, zone: ZoneInfo) -> tuple[Any, ...]:
    """Return the values of `ROW_COLUMNS`; columns of attributes are derived for the time zone.

    An import makes a row for each contact, so it is a tuple that the driver takes as it is.
    """
    return (
        *(contact.pk, contact.id, *_plain_values_of(contact)),
        *_build_texts(contact, zone),
        *_build_tags(contact, zone),
        *_build_attributes(contact, zone),
    )


def _build_plain_values(contact: Contact, zone: ZoneInfo) -> tuple[Any, ...]:
    del zone
    values: tuple[Any, ...] = _plain_values_of(contact)
    return values


def _build_texts(contact: Contact, zone: ZoneInfo) -> tuple[Any, ...]:
    del zone
    texts: list[str | None] = []
    as_sent: dict[str, str] = {}
    if contact.email_as_sent is not None:
        as_sent[EMAIL_AS_SENT] = contact.email_as_sent
    for place, value in enumerate(_text_values_of(contact)):
        if value is None:
            texts += _NO_TEXT
        elif value.isascii():
            # Most texts: they are in normal form C, and fold as lower case.
            texts += (value, value.lower())
        else:
            normal = text.to_nfc(value)
            texts += (normal, text.fold_case(value))
            if value != normal:
                as_sent[TEXT_FIELDS[place]] = value
    spellings = _encode(as_sent).decode() if as_sent else None
    return contact.email, text.fold_case(contact.shown_email), spellings, *texts


def _build_tags(contact: Contact, zone: ZoneInfo) -> tuple[Any, ...]:
    del zone
    return contact.tags, *_build_tag_documents(contact.tags)


def _build_attributes(contact: Contact, zone: ZoneInfo) -> tuple[Any, ...]:
    return contact.attributes, *build_attribute_documents(contact.attributes, zone)


# Many contacts of an import have the same tags.
@lru_cache(maxsize=1_024)
def _build_tag_documents(tags: str) -> tuple[str, str]:
    return build_tag_documents(_decode(tags))


@dataclass(frozen=True, slots=True, eq=False)
class RowPart:
    """Columns that some fields of a contact decide: what to compare, and how to build their values."""

    columns: tuple[str, ...]
    compared: Callable[[Contact], Any]
    build: Callable[[Contact, ZoneInfo], tuple[Any, ...]]


_TEXT_COLUMNS: Final = (
    *("email", "email_fold", "as_sent"),
    *(column for name in TEXT_FIELDS for column in (name, f"{name}_fold")),
)
PARTS: Final = (
    RowPart(_PLAIN_FIELDS, _plain_values_of, _build_plain_values),
    RowPart(_TEXT_COLUMNS, attrgetter("email", EMAIL_AS_SENT, *TEXT_FIELDS), _build_texts),
    RowPart(("tags", "tags_exact", "tags_fold"), attrgetter("tags"), _build_tags),
    RowPart(("attributes", *DERIVED_COLUMNS), attrgetter("attributes"), _build_attributes),
)
# Every column of a contact but its workspace, in the order of the values of a row.
ROW_COLUMNS: Final = (*_KEYS, *(column for part in PARTS for column in part.columns))


def find_changed_parts(before: Contact, after: Contact) -> tuple[RowPart, ...]:
    """Return the parts of the row of a contact that a write changes."""
    return tuple(part for part in PARTS if part.compared(before) != part.compared(after))


@cache
def update_of(parts: tuple[RowPart, ...]) -> bulk.BulkStatement:
    """Return the statement that updates some parts of a row by its key, which comes first in its values."""
    columns = [column for part in parts for column in part.columns]
    set_ = {name: itemgetter(name) for name in columns}
    return bulk.build_update(contacts, ("pk",), [contacts.c[name] for name in columns], set_)
