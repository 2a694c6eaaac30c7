"""Contacts in Topmail's shapes."""

from collections.abc import Sequence
from typing import Any

import msgspec

from diglot.api.formatting import in_milliseconds, whole_if_integral
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.dialects.topmail.formatting import time
from diglot.model.contacts import SUBSCRIBED, Contact, ListName


def _own(one: Contact) -> tuple[Any, ...]:
    return (
        one.id,
        one.email,
        one.first_name,
        one.last_name,
        msgspec.Raw(one.attributes.encode()),
        one.status == SUBSCRIBED,
        time(one.created_at),
    )


def _extension(one: Contact) -> tuple[Any, ...]:
    return (
        time(one.updated_at),
        one.phone,
        one.company,
        one.job_title,
        one.source,
        one.status,
        msgspec.Raw(one.tags.encode()),
        whole_if_integral(one.engagement_score),
        whole_if_integral(one.lead_score),
        one.total_opens,
        one.total_clicks,
        one.total_orders,
        whole_if_integral(one.total_spent),
        in_milliseconds(one.last_opened_at),
        in_milliseconds(one.last_clicked_at),
        in_milliseconds(one.last_emailed_at),
    )


def contact(one: Contact) -> contacts_wire.Contact:
    """Show a contact."""
    return contacts_wire.Contact(*_own(one), *_extension(one))


def contact_detail(one: Contact, lists: Sequence[ListName]) -> contacts_wire.ContactDetail:
    """Show a contact with its lists."""
    named = [contacts_wire.ListName(each.id, each.name) for each in lists]
    return contacts_wire.ContactDetail(*(*_own(one), named, *_extension(one)))
