"""Converts lists to Topmail's structs."""

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import format_milliseconds
from diglot.api.warnings import Warnings
from diglot.dialects.topmail.formatting import format_time
from diglot.dialects.topmail.lists import wire as lists_wire
from diglot.dialects.topmail.segments.show import show_conditions
from diglot.model.lists import CountedList


def show_contact_list(counted: CountedList, warnings: Warnings) -> lists_wire.ContactList:
    """Show a list with its member count."""
    contact_list, segment = counted.list, counted.list.segment
    return lists_wire.ContactList(
        contact_list.id,
        contact_list.name,
        contact_list.description,
        contact_list.type.value,
        msgspec.Raw(b"null") if segment is None else show_conditions(segment.condition),
        counted.count,
        format_time(contact_list.created_at),
        format_time(contact_list.updated_at),
        format_time(counted.as_of),
        None if segment is None else segment.revision,
        None if segment is None else format_milliseconds(next_change(segment)),
        warnings,
    )
