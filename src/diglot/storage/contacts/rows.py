"""Converts contacts to rows and back; only this module writes the derived columns."""

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from diglot.conditions import text
from diglot.conditions.fields import STORED_FIELDS, FieldKind
from diglot.model.contacts import Contact
from diglot.storage.predicates import token_documents
from diglot.storage.schema import contacts

# The field of a contact that is stored in the column `as_sent` alone.
EMAIL_AS_SENT: Final = "email_as_sent"
# The address is stored in the form in which it is compared, other text fields get their normal form here.
TEXT_FIELDS: Final = tuple(
    field.name for field in STORED_FIELDS if field.kind is FieldKind.TEXT and field.name != "email"
)
_COLUMN_NAMES: Final = tuple(name for name in Contact.__struct_fields__ if name != EMAIL_AS_SENT)
_PLAIN_FIELDS: Final = tuple(name for name in _COLUMN_NAMES if name not in TEXT_FIELDS)
_FOLDS: Final = tuple(f"{name}_fold" for name in TEXT_FIELDS)
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


def row_of(contact: Contact, zone: ZoneInfo) -> dict[str, Any]:
    """Return every column of a contact but its workspace; attribute columns are derived for the time zone."""
    row: dict[str, Any] = dict(zip(_PLAIN_FIELDS, _plain_values_of(contact), strict=True))
    row["email_fold"] = text.fold_case(contact.shown_email)
    as_sent: dict[str, str] = {}
    if contact.email_as_sent is not None:
        as_sent[EMAIL_AS_SENT] = contact.email_as_sent
    for name, fold, value in zip(TEXT_FIELDS, _FOLDS, _text_values_of(contact), strict=True):
        if value is None:
            row[name] = row[fold] = None
            continue
        row[name] = normal = text.to_nfc(value)
        row[fold] = text.fold_case(value)
        if value != normal:
            as_sent[name] = value
    row["as_sent"] = _encode(as_sent).decode() if as_sent else None
    row["tags_exact"], row["tags_fold"] = _build_tag_documents(contact.tags)
    row.update(derive_attribute_columns(contact.attributes, zone))
    return row


# Many contacts of an import have the same tags.
@lru_cache(maxsize=1_024)
def _build_tag_documents(tags: str) -> tuple[str, str]:
    return token_documents.build_tag_documents(_decode(tags))


def derive_attribute_columns(attributes: str, zone: ZoneInfo) -> dict[str, str]:
    """Return the columns that derive from a contact's attributes (JSON) in a time zone."""
    derived = token_documents.AttributeDocuments(_decode(attributes), zone)
    return {
        "attributes_exact": derived.exact,
        "attributes_fold": derived.folded,
        "attributes_number": derived.number,
        "attributes_instant": derived.instant,
    }
