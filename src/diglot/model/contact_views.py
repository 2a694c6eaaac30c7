"""A stored contact as conditions read it."""

from collections.abc import Collection
from operator import attrgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.conditions.contact_view import Subject
from diglot.model.contacts import Contact

# What a condition can mention of a contact, but for its attributes, tags and lists.
PLAIN: Final = tuple(
    name for name in Contact.__struct_fields__ if name not in ("pk", "id", "tags", "attributes")
)
_plain = attrgetter(*PLAIN)
_decode = msgspec.json.Decoder().decode


def subject_of(contact: Contact, lists: Collection[str], zone: ZoneInfo) -> Subject:
    """Return a contact as conditions read it; `lists` are the ids of the static lists it is on."""
    return Subject(_fields(contact), _decode(contact.attributes), lists, zone)


def subjects_of(
    before: Contact | None, after: Contact | None, lists: Collection[str], zone: ZoneInfo
) -> tuple[Subject | None, Subject | None]:
    """Return a contact as conditions read it before and after a write; nothing where it is not there."""
    was = None if before is None else subject_of(before, lists, zone)
    if after is None:
        return was, None
    if was is not None and before is not None and before.attributes == after.attributes:
        return was, was.changed(_fields(after))
    return was, subject_of(after, lists, zone)


def _fields(contact: Contact) -> dict[str, Any]:
    fields: dict[str, Any] = dict(zip(PLAIN, _plain(contact), strict=True))
    fields["tags"] = _decode(contact.tags)
    return fields
