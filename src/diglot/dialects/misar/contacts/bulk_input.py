"""Reads the body of a bulk call: the ids of the contacts, and the update to apply."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.api.input import contacts, request_body
from diglot.api.input.body_reader import BodyReader
from diglot.conditions.operands import wrong_type_error
from diglot.dialects.misar.contacts.wire import ATTRIBUTE_CONTAINERS, MAX_IDS
from diglot.errors import ContentTooLarge, Fault, InvalidInput
from diglot.model.contacts import ContactChange
from diglot.model.ids import parse_id
from diglot.service.contacts.contact_input import read_change

# The vendor's contacts page sends `ids`; its member calls send the other spellings.
_ID_SPELLINGS: Final = ("ids", "contact_ids", "contactIds")


@dataclass(frozen=True, slots=True)
class ContactIds:
    """The contacts that a body names: ids as written, without repetitions, with the UUID of each."""

    uuids: dict[str, str | None]

    @property
    def known_ids(self) -> list[str]:
        """The UUIDs without repetitions; an invalid id has none."""
        return list(dict.fromkeys(uuid for uuid in self.uuids.values() if uuid is not None))

    def missing_ids(self, existing: Collection[str]) -> list[str]:
        """Return the ids, as written, that match none of the existing contacts."""
        return [written for written, uuid in self.uuids.items() if uuid not in existing]


def read_contact_ids(members: request_body.RawObject) -> ContactIds:
    """Return the contacts that a body names; raise `InvalidInput`, or `ContentTooLarge` above the maximum."""
    reader = BodyReader(members)
    key = reader.resolve_spelling(*_ID_SPELLINGS)
    reader.require(key)
    reader.raise_faults()
    ids = request_body.decode_value(members[key], (key,))
    if not isinstance(ids, list):
        raise InvalidInput.at((key,), str(wrong_type_error("array", ids)))
    if len(ids) > MAX_IDS:
        raise ContentTooLarge(MAX_IDS, "contacts")
    for index, written in enumerate(ids):
        if not isinstance(written, str):
            raise InvalidInput.at((key, index), str(wrong_type_error("string", written)))
    return ContactIds({written: parse_id(written) for written in ids})


def read_bulk_update(members: request_body.RawObject, zone: ZoneInfo) -> tuple[ContactIds, ContactChange]:
    """Return the contacts that a body names and the update; raise `InvalidInput` with the faults of both."""
    faults: list[Fault] = []
    named: ContactIds | None = None
    try:
        named = read_contact_ids(members)
    except InvalidInput as invalid:
        faults.extend(invalid.faults)
    try:
        change = _read_update(members, zone)
    except InvalidInput as invalid:
        raise InvalidInput([*faults, *invalid.faults]) from None
    if named is None:
        raise InvalidInput(faults)
    return named, change


def _read_update(members: request_body.RawObject, zone: ZoneInfo) -> ContactChange:
    if "update" not in members:
        raise InvalidInput.at(("update",), "Required")
    update: Any = request_body.decode_value(members["update"], ("update",))
    if not isinstance(update, dict):
        raise InvalidInput.at(("update",), str(wrong_type_error("object", update)))
    if "email" in update:
        raise InvalidInput.at(("update", "email"), "An email belongs to one contact")
    fields, attributes = contacts.read_fields(update, ATTRIBUTE_CONTAINERS, ("update",))
    return read_change(fields, attributes, zone)
