"""Converts contacts to Topmail's structs."""

from collections.abc import Callable, Sequence
from typing import Final

from diglot.api.contact_shape import build_show
from diglot.api.formatting import format_milliseconds
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.model.contacts import Contact, ListName

show_contact: Final[Callable[[Contact], contacts_wire.Contact]] = build_show(
    contacts_wire.Contact, contacts_wire.ATTRIBUTES_KEY, format_milliseconds
)
_show_detail: Final = build_show(
    contacts_wire.ContactDetail, contacts_wire.ATTRIBUTES_KEY, format_milliseconds, "lists"
)


def show_contact_detail(contact: Contact, lists: Sequence[ListName]) -> contacts_wire.ContactDetail:
    """Show a contact with its lists."""
    return _show_detail(contact, [contacts_wire.ListName(item.id, item.name) for item in lists])
