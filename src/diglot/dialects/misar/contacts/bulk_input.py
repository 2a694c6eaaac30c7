"""The body of a call on many contacts: whom it names, and what becomes of them."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.api.input import contacts, request_body
from diglot.api.input.body_reader import Reader
from diglot.conditions.operands import wrong_type_error
from diglot.dialects.misar.contacts.import_csv import CONTAINERS
from diglot.errors import Fault, Invalid, TooLarge
from diglot.model.contacts import ContactChange
from diglot.model.ids import parse_id
from diglot.service.contacts.contact_input import read_change

MOST_IDS: Final = 10_000
# `ids` on the vendor's page of contacts; the others in its calls on members.
_IDS: Final = ("ids", "contact_ids", "contactIds")


@dataclass(frozen=True, slots=True)
class Named:
    """The contacts that a body names: ids as written, each once, and the UUIDs they stand for."""

    uuids: dict[str, str | None]

    @property
    def known(self) -> list[str]:
        """The UUIDs, each once; what is no id stands for none."""
        return list(dict.fromkeys(uuid for uuid in self.uuids.values() if uuid is not None))

    def missing(self, found: Collection[str]) -> list[str]:
        """Return the ids, as written, of contacts that are not among those found."""
        return [written for written, uuid in self.uuids.items() if uuid not in found]


def read_named(members: request_body.Members) -> Named:
    """Return whom a body names; raise `Invalid`, or `TooLarge` past the most."""
    reader = Reader(members)
    key = reader.spelled(*_IDS)
    reader.required(key)
    reader.finish()
    ids = request_body.decode(members[key], (key,))
    if not isinstance(ids, list):
        raise Invalid.at((key,), str(wrong_type_error("array", ids)))
    if len(ids) > MOST_IDS:
        raise TooLarge(MOST_IDS, "contacts")
    for index, written in enumerate(ids):
        if not isinstance(written, str):
            raise Invalid.at((key, index), str(wrong_type_error("string", written)))
    return Named({written: parse_id(written) for written in ids})


def read_named_update(members: request_body.Members, zone: ZoneInfo) -> tuple[Named, ContactChange]:
    """Return whom a body names and the change to them; raise `Invalid` with every fault of both."""
    faults: list[Fault] = []
    named: Named | None = None
    try:
        named = read_named(members)
    except Invalid as invalid:
        faults.extend(invalid.faults)
    try:
        change = _update(members, zone)
    except Invalid as invalid:
        raise Invalid([*faults, *invalid.faults]) from None
    if named is None:
        raise Invalid(faults)
    return named, change


def _update(members: request_body.Members, zone: ZoneInfo) -> ContactChange:
    if "update" not in members:
        raise Invalid.at(("update",), "Required")
    update: Any = request_body.decode(members["update"], ("update",))
    if not isinstance(update, dict):
        raise Invalid.at(("update",), str(wrong_type_error("object", update)))
    if "email" in update:
        raise Invalid.at(("update", "email"), "An email belongs to one contact")
    fields, attributes = contacts.read(update, CONTAINERS, ("update",))
    return read_change(fields, attributes, zone)
