"""Contacts, changes to contacts, and results of imports."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from diglot.conditions.fields import FieldTable

UNSUBSCRIBED: Final = "unsubscribed"
SUBSCRIBED: Final = "subscribed"
# Both forms of the address.
ADDRESS_FIELDS: Final = ("email", "email_as_sent")


class Contact(FieldTable, frozen=True, gc=False):
    """A contact: the rows of the table of fields.

    `email` is the address as it is compared, and `email_as_sent` as it was sent, or None if that is the same.
    """

    email_as_sent: str | None = None

    @property
    def shown_email(self) -> str:
        """The address as it was sent."""
        return self.email_as_sent or self.email


class ListName(msgspec.Struct, frozen=True):
    """The id and name of a list that contains a contact."""

    id: str
    name: str


class ContactChange(msgspec.Struct, frozen=True, gc=False):
    """A checked change to a contact, or the values of a new one.

    `values` maps core fields to new values, None to clear; instants are in microseconds, and the address has
    both of its forms. `attributes` are
    merged into the stored ones; None removes one. `subscribed` switches between subscribed and unsubscribed
    only. `lists_to_join` are ids of static lists. `added_tags` are added to the contact's tags or those in
    `values`. `lowered` is a status that applies unless the contact's own, or the one in `values`, is more
    restrictive.

    It is a struct because an import has one for each row, and makes a dataclass five times as slowly.
    """

    values: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    subscribed: bool | None = None
    lists_to_join: tuple[str, ...] = ()
    added_tags: tuple[str, ...] = ()
    lowered: str | None = None

    def without_address(self) -> "ContactChange":
        """Return the change of a contact that was found by its address, whose spelling then stays."""
        values = {name: value for name, value in self.values.items() if name not in ADDRESS_FIELDS}
        return msgspec.structs.replace(self, values=values)

    @property
    def lowers_status(self) -> bool:
        """Tell whether the change states a status other than subscribed."""
        stated = self.values.get("status", SUBSCRIBED) != SUBSCRIBED
        return stated or self.subscribed is False or self.lowered is not None

    @property
    def email(self) -> str:
        """The address as it is compared; raises KeyError if the change has none."""
        email: str = self.values["email"]
        return email


class ImportResult(msgspec.Struct, frozen=True):
    """The result of an import: contacts by outcome, and the reasons for rejected rows."""

    created: int
    updated: int
    skipped: int
    refusals: Sequence[str] = ()
