"""Contacts that a body names: `contact_ids`, or one `contact_id`."""

from typing import Final

from diglot.api.input import request_body
from diglot.conditions.operands import wrong_type_error
from diglot.errors import Fault, InvalidInput
from diglot.model.ids import parse_id

MAX_IDS: Final = 10_000
_IDS_KEY: Final = "contact_ids"
_ID_KEY: Final = "contact_id"


def read_contact_ids(members: request_body.RawObject) -> list[str | None]:
    """Return the UUIDs of the named contacts, None for what is no id; raise `InvalidInput`."""
    if _IDS_KEY in members and _ID_KEY in members:
        raise InvalidInput.at((_ID_KEY,), f"Give {_IDS_KEY} or {_ID_KEY}, not both")
    if _ID_KEY in members:
        one = request_body.decode_value(members[_ID_KEY], (_ID_KEY,))
        if not isinstance(one, str):
            raise InvalidInput.at((_ID_KEY,), str(wrong_type_error("string", one)))
        return [parse_id(one)]
    if _IDS_KEY not in members:
        raise InvalidInput.at((_IDS_KEY,), "Required")
    return _check_ids(request_body.decode_value(members[_IDS_KEY], (_IDS_KEY,)))


def _check_ids(ids: object) -> list[str | None]:
    if not isinstance(ids, list):
        raise InvalidInput.at((_IDS_KEY,), str(wrong_type_error("array", ids)))
    if not 1 <= len(ids) <= MAX_IDS:
        raise InvalidInput.at((_IDS_KEY,), f"Array must contain 1 to {MAX_IDS} element(s)")
    faults = [
        Fault((_IDS_KEY, index), str(wrong_type_error("string", one)))
        for index, one in enumerate(ids)
        if not isinstance(one, str)
    ]
    if faults:
        raise InvalidInput(faults)
    return [parse_id(one) for one in ids]
