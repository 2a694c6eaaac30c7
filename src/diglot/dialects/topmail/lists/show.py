"""Lists in Topmail's shapes."""

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import in_milliseconds
from diglot.dialects.topmail.formatting import time
from diglot.dialects.topmail.lists import wire as lists_wire
from diglot.dialects.topmail.segments.show import conditions
from diglot.model.lists import CountedList


def contact_list(counted: CountedList) -> lists_wire.ContactList:
    """Show a list with its count."""
    one, segment = counted.list, counted.list.segment
    return lists_wire.ContactList(
        one.id,
        one.name,
        one.description,
        one.type.value,
        msgspec.Raw(b"null") if segment is None else conditions(segment.condition),
        counted.count,
        time(one.created_at),
        time(one.updated_at),
        time(counted.as_of),
        None if segment is None else segment.revision,
        None if segment is None else in_milliseconds(next_change(segment)),
    )
