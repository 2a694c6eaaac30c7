"""Converts contacts to rows and back; only this module writes the derived columns."""

from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions import text
from diglot.model.contacts import Contact
from diglot.storage.predicates import token_documents
from diglot.storage.schema import contacts

TEXT_FIELDS: Final = ("first_name", "last_name", "phone", "company", "job_title", "source")
_PLAIN_FIELDS: Final = (
    *("pk", "id", "status", "engagement_score", "lead_score"),
    *("total_opens", "total_clicks", "total_orders", "total_spent"),
    *("created_at", "updated_at", "last_opened_at", "last_clicked_at", "last_emailed_at"),
    *("tags", "attributes", "email"),
)
# In the order of Contact's fields; `as_sent` is last.
_COLUMN_ORDER: Final = (
    *("pk", "id", "email"),
    *TEXT_FIELDS,
    *("status", "engagement_score", "lead_score"),
    *("total_opens", "total_clicks", "total_orders", "total_spent"),
    *("created_at", "updated_at", "last_opened_at", "last_clicked_at", "last_emailed_at"),
    *("tags", "attributes"),
    "as_sent",
)
CONTACT_COLUMNS: Final = tuple(contacts.c[name] for name in _COLUMN_ORDER)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def contact_of(row: Sequence[Any]) -> Contact:
    """Return the contact of a row selected with `CONTACT_COLUMNS`."""
    contact = Contact(*row[:-1])
    return contact if row[-1] is None else _with_original_texts(contact, _decode(row[-1]))


def _with_original_texts(contact: Contact, as_sent: dict[str, str]) -> Contact:
    values = {name: getattr(contact, name) for name in _COLUMN_ORDER[:-1]}
    return Contact(**(values | as_sent))


def row_of(workspace: int, contact: Contact, zone: ZoneInfo) -> dict[str, Any]:
    """Return every column of a contact; attribute columns are derived for the time zone."""
    row: dict[str, Any] = {name: getattr(contact, name) for name in _PLAIN_FIELDS}
    row["workspace"] = workspace
    row["email_fold"] = text.fold_case(contact.email)
    as_sent: dict[str, str] = {}
    for name in TEXT_FIELDS:
        value: str | None = getattr(contact, name)
        normal = None if value is None else text.to_nfc(value)
        row[name] = normal
        row[f"{name}_fold"] = None if value is None else text.fold_case(value)
        if value is not None and value != normal:
            as_sent[name] = value
    row["as_sent"] = _encode(as_sent).decode() if as_sent else None
    row["tags_exact"], row["tags_fold"] = token_documents.build_tag_documents(_decode(contact.tags))
    return row | derive_attribute_columns(contact.attributes, zone)


def derive_attribute_columns(attributes: str, zone: ZoneInfo) -> dict[str, str]:
    """Return the columns that derive from a contact's attributes (JSON) in a time zone."""
    derived = token_documents.AttributeDocuments(_decode(attributes), zone)
    return {
        "attributes_exact": derived.exact,
        "attributes_fold": derived.folded,
        "attributes_number": derived.number,
        "attributes_instant": derived.instant,
    }
