"""Contacts in Misar's shapes."""

from collections.abc import Callable
from typing import Final

from diglot.api.contact_shape import build_show
from diglot.api.formatting import format_seconds
from diglot.dialects.misar.contacts import wire as contacts_wire
from diglot.model.contacts import Contact

show_contact: Final[Callable[[Contact], contacts_wire.Contact]] = build_show(
    contacts_wire.Contact, contacts_wire.ATTRIBUTES_KEY, format_seconds
)
