"""Contacts in Topmail's shapes."""

from collections.abc import Sequence
from typing import Any

import msgspec

from diglot.api.formatting import format_milliseconds, whole_if_integral
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.dialects.topmail.formatting import format_time
from diglot.model.contacts import SUBSCRIBED, Contact, ListName


def _vendor_values(one: Contact) -> tuple[Any, ...]:
    return (
        one.id,
        one.email,
        one.first_name,
        one.last_name,
        msgspec.Raw(one.attributes.encode()),
        one.status == SUBSCRIBED,
        format_time(one.created_at),
    )


def _extension_values(one: Contact) -> tuple[Any, ...]:
    return (
        format_time(one.updated_at),
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
        format_milliseconds(one.last_opened_at),
        format_milliseconds(one.last_clicked_at),
        format_milliseconds(one.last_emailed_at),
    )


def show_contact(one: Contact) -> contacts_wire.Contact:
    """Show a contact."""
    return contacts_wire.Contact(*_vendor_values(one), *_extension_values(one))


def show_contact_detail(one: Contact, lists: Sequence[ListName]) -> contacts_wire.ContactDetail:
    """Show a contact with its lists."""
    named = [contacts_wire.ListName(each.id, each.name) for each in lists]
    return contacts_wire.ContactDetail(*(*_vendor_values(one), named, *_extension_values(one)))
