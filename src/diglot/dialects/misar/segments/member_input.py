"""The body that changes the members of a static segment by hand."""

from typing import Final

from diglot.api.input import request_body
from diglot.api.input.body_reader import Missing, Reader
from diglot.conditions.operands import wrong_type_error
from diglot.model.ids import parse_id
from diglot.model.segments import ManualMemberChange, MemberAction

MOST_IDS: Final = 5_000
_SPELLINGS: Final = ("contactIds", "contact_ids")
_ACTIONS: Final = tuple(each.value for each in MemberAction)


def read(members: request_body.Members) -> ManualMemberChange:
    """Return the change that a body asks for; raise `Invalid`."""
    reader = Reader(members)
    key = reader.spelled(*_SPELLINGS)
    reader.required("action", key)
    action = reader.choice("action", _ACTIONS)
    ids = _ids(reader, key)
    reader.finish()
    assert not isinstance(action, Missing)
    return ManualMemberChange(MemberAction(action), ids)


def _ids(reader: Reader, key: str) -> tuple[str, ...]:
    """Return the UUIDs of a list of ids, each once; what is no id is one that nobody has."""
    written = reader.array(key, MOST_IDS)
    found: dict[str, None] = {}
    for index, value in enumerate([] if isinstance(written, Missing) else written):
        if not isinstance(value, str):
            reader.fault((key, index), str(wrong_type_error("string", value)))
            break  # the first is enough of many
        if (id_ := parse_id(value)) is not None:
            found[id_] = None
    return tuple(found)
