"""Reads the body of a call that changes the members of a static segment."""

from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.model.ids import parse_id
from diglot.model.segments import ManualMemberChange


def read_member_change(members: request_body.RawObject) -> ManualMemberChange:
    """Return the member change in a body; raise `InvalidInput`. An invalid id is an unknown contact."""
    reader = BodyReader(members)
    body = reader.read(segments_wire.MembersChange)
    reader.raise_faults()
    ids = dict.fromkeys(id_ for written in body.contactIds if (id_ := parse_id(written)) is not None)
    return ManualMemberChange(body.action, tuple(ids))
