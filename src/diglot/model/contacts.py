"""Contacts, changes to contacts, and results of imports."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from diglot.conditions.fields import FieldTable

UNSUBSCRIBED: Final = "unsubscribed"
SUBSCRIBED: Final = "subscribed"


class Contact(FieldTable, frozen=True, gc=False):
    """A contact: the rows of the table of fields."""


@dataclass(frozen=True, slots=True)
class ListName:
    """The id and name of a list that contains a contact."""

    id: str
    name: str


class ContactChange(msgspec.Struct, frozen=True, gc=False):
    """A checked change to a contact, or the values of a new one.

    `values` maps core fields to new values, None to clear; instants are in microseconds. `attributes` are
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

    @property
    def email(self) -> str:
        """The address; raises KeyError if the change has none."""
        email: str = self.values["email"]
        return email


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of an import: contacts by outcome, and the reasons for rejected rows."""

    created: int
    updated: int
    skipped: int
    refusals: Sequence[str] = ()
