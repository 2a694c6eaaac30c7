"""The body that changes the members of a static segment by hand."""

from typing import Final

from msgspec import UNSET

from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.conditions.operands import wrong_type_error
from diglot.model.ids import parse_id
from diglot.model.segments import ManualMemberChange, MemberAction

MAX_IDS: Final = 5_000
_ID_SPELLINGS: Final = ("contactIds", "contact_ids")
_ACTIONS: Final = tuple(each.value for each in MemberAction)


def read_member_change(members: request_body.RawObject) -> ManualMemberChange:
    """Return the change that a body asks for; raise `InvalidInput`."""
    reader = BodyReader(members)
    key = reader.resolve_spelling(*_ID_SPELLINGS)
    reader.require("action", key)
    action = reader.read_choice("action", _ACTIONS)
    ids = _read_ids(reader, key)
    reader.raise_faults()
    assert action is not UNSET
    return ManualMemberChange(MemberAction(action), ids)


def _read_ids(reader: BodyReader, key: str) -> tuple[str, ...]:
    """Return the UUIDs of a list of ids, each once; what is no id is one that nobody has."""
    written = reader.read_array(key, MAX_IDS)
    found: dict[str, None] = {}
    for index, value in enumerate([] if written is UNSET else written):
        if not isinstance(value, str):
            reader.add_fault((key, index), str(wrong_type_error("string", value)))
            break  # the first is enough of many
        if (id_ := parse_id(value)) is not None:
            found[id_] = None
    return tuple(found)
