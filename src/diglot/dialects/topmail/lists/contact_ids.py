"""Reads the contacts that a body names: `contact_ids`, or a single `contact_id`."""

from msgspec import UNSET

from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.dialects.topmail.lists.wire import NamedContacts
from diglot.model.ids import parse_id


def read_contact_ids(members: request_body.RawObject) -> list[str | None]:
    """Return the UUIDs of the named contacts, None for an invalid id; raise `InvalidInput`."""
    reader = BodyReader(members)
    if reader.has("contact_ids") and reader.has("contact_id"):
        reader.add_fault(("contact_id",), "Give contact_ids or contact_id, not both")
    elif not reader.has("contact_id"):
        reader.require("contact_ids")
    body = reader.read(NamedContacts)
    reader.raise_faults()
    if body.contact_id is not UNSET:
        return [parse_id(body.contact_id)]
    return [parse_id(contact_id) for contact_id in body.contact_ids or ()]
