"""Contacts that a body names: `contact_ids`, or one `contact_id`."""

from typing import Final

from diglot.api.input import request_body
from diglot.conditions.operands import wrong_type_error
from diglot.errors import Fault, Invalid
from diglot.model.ids import parse_id

MOST: Final = 10_000
_SEVERAL: Final = "contact_ids"
_ONE: Final = "contact_id"


def read(members: request_body.Members) -> list[str | None]:
    """Return the UUIDs of the named contacts, None for what is no id; raise `Invalid`."""
    if _SEVERAL in members and _ONE in members:
        raise Invalid.at((_ONE,), f"Give {_SEVERAL} or {_ONE}, not both")
    if _ONE in members:
        one = request_body.decode(members[_ONE], (_ONE,))
        if not isinstance(one, str):
            raise Invalid.at((_ONE,), str(wrong_type_error("string", one)))
        return [parse_id(one)]
    if _SEVERAL not in members:
        raise Invalid.at((_SEVERAL,), "Required")
    return _several(request_body.decode(members[_SEVERAL], (_SEVERAL,)))


def _several(ids: object) -> list[str | None]:
    if not isinstance(ids, list):
        raise Invalid.at((_SEVERAL,), str(wrong_type_error("array", ids)))
    if not 1 <= len(ids) <= MOST:
        raise Invalid.at((_SEVERAL,), f"Array must contain 1 to {MOST} element(s)")
    faults = [
        Fault((_SEVERAL, index), str(wrong_type_error("string", one)))
        for index, one in enumerate(ids)
        if not isinstance(one, str)
    ]
    if faults:
        raise Invalid(faults)
    return [parse_id(one) for one in ids]
