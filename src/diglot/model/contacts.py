"""Contacts: a person as stored, and a checked change to one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from diglot.conditions.fields import FieldTable

UNSUBSCRIBED: Final = "unsubscribed"
SUBSCRIBED: Final = "subscribed"


class Contact(FieldTable, frozen=True, gc=False):
    """A contact as stored and as answers show it: the rows of the table of fields."""


@dataclass(frozen=True, slots=True)
class ListName:
    """A list that a contact is on."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ContactChange:
    """A checked change to a contact, or a new one.

    `values` holds catalogued fields by canonical name, None to clear; instants in microseconds.
    `attributes` merge into the stored ones, None removes. `subscribed` moves only between subscribed and
    unsubscribed. `lists` are ids of lists to join. `added_tags` come beside the tags that it has or is given.
    `lowered` is a status that the contact gets unless the one that it has or is given is stricter.
    """

    values: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    subscribed: bool | None = None
    lists_to_join: tuple[str, ...] = ()
    added_tags: tuple[str, ...] = ()
    lowered: str | None = None

    @property
    def email(self) -> str:
        """The address, where the change names one."""
        email: str = self.values["email"]
        return email


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did: contacts by outcome, and why which were refused for what is stored of them."""

    created: int
    updated: int
    skipped: int
    refusals: Sequence[str] = ()
