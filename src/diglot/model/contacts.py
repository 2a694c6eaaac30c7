"""Contacts: a person as stored, and a checked change to one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

UNSUBSCRIBED: Final = "unsubscribed"
SUBSCRIBED: Final = "subscribed"


class Contact(msgspec.Struct, frozen=True, gc=False):
    """A contact as answers show it. `tags` and `attributes` are JSON as encoded; instants in microseconds."""

    pk: int
    id: str
    email: str
    first_name: str | None
    last_name: str | None
    phone: str | None
    company: str | None
    job_title: str | None
    source: str | None
    status: str
    engagement_score: float | None
    lead_score: float | None
    total_opens: int
    total_clicks: int
    total_orders: int
    total_spent: float
    created_at: int
    updated_at: int
    last_opened_at: int | None
    last_clicked_at: int | None
    last_emailed_at: int | None
    tags: str
    attributes: str


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
    unsubscribed. `lists` are ids of lists to join. `more_tags` come beside the tags that it has or is given.
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
