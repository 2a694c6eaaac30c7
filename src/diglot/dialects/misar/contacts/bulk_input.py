"""Reads the body of a bulk call: the ids of the contacts, and the update to apply."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.api.input.contacts import ContactValues, LocalTime
from diglot.dialects.misar.contacts.bulk_wire import BulkDelete, BulkUpdate
from diglot.errors import Fault, InvalidInput
from diglot.model.contacts import ContactChange
from diglot.model.ids import parse_id

_UPDATE: Final = "update"


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
    body = reader.read(BulkDelete)
    reader.raise_faults()
    return _parse_ids(body)


def read_bulk_update(members: request_body.RawObject, time: LocalTime) -> tuple[ContactIds, ContactChange]:
    """Return the contacts that a body names and the update; raise `InvalidInput` with the faults of both."""
    reader = BodyReader(members)
    body = reader.read(BulkDelete)
    update: object = reader.read(BulkUpdate, _UPDATE).update
    reader.raise_faults()
    assert isinstance(update, ContactValues)
    if update.is_empty:
        raise InvalidInput.at((_UPDATE,), "Names no field of a contact")
    try:
        return _parse_ids(body), update.to_change(time)
    except InvalidInput as invalid:
        raise InvalidInput(Fault((_UPDATE, *fault.path), fault.message) for fault in invalid.faults) from None


def _parse_ids(body: BulkDelete) -> ContactIds:
    return ContactIds({written: parse_id(written) for written in body.ids})
