"""What the body of a contact says beside the contact's fields, and must not be passed over.

A property that speaks of opting out lowers the status, as a column of a file does (semantics 26), because a
contact that opted out would become subscribed otherwise. `created_at` changes nothing where clients cannot
write it, and is refused if it lies in the future (27).
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from diglot.api.input import request_body
from diglot.api.opt_outs.names import column_of
from diglot.api.opt_outs.reader import OptOuts
from diglot.conditions import dates
from diglot.conditions.dates import ParsedDate
from diglot.errors import Fault, InvalidInput

_CREATED: Final = ("created_at", "createdAt")


class BesideFields(msgspec.Struct, frozen=True, gc=False):
    """The status to which a body lowers its contact, and when it says that the contact was created."""

    lowered: str | None = None
    created: Mapping[str, ParsedDate] = {}


NOTHING: Final = BesideFields()


def decode_members(members: request_body.RawObject, faults: list[Fault]) -> dict[str, Any]:
    """Return those of some members that say something beside fields, decoded."""
    decoded: dict[str, Any] = {}
    for key, raw in members.items():
        if _is_read(key):
            try:
                decoded[key] = request_body.decode_value(raw, (key,))
            except InvalidInput as invalid:
                faults += invalid.faults
    return decoded


def read_members(members: Mapping[str, Any], faults: list[Fault]) -> BesideFields:
    """Return what decoded members that are no fields say; record a fault if one is not understood."""
    said = {key: value for key, value in members.items() if _is_read(key)}
    if not said:
        return NOTHING
    opt_outs = OptOuts()
    lowered = opt_outs.read_object(said, ())
    faults += opt_outs.faults
    created = {key: said[key] for key in _CREATED if isinstance(said.get(key), str)}
    parsed = {key: date for key, text in created.items() if (date := dates.parse(text)) is not None}
    return BesideFields(lowered, parsed)


def _is_read(key: str) -> bool:
    return key in _CREATED or column_of(key) is not None
