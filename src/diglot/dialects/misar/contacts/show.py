"""Contacts in Misar's shapes."""

import msgspec

from diglot.api.formatting import in_seconds, whole_if_integral
from diglot.dialects.misar.contacts import wire as contacts_wire
from diglot.dialects.misar.formatting import time
from diglot.model.contacts import Contact


def contact(one: Contact) -> contacts_wire.Contact:
    """Show a contact."""
    return contacts_wire.Contact(
        one.id,
        one.email,
        one.first_name,
        one.last_name,
        one.phone,
        one.company,
        one.job_title,
        one.source,
        one.status,
        msgspec.Raw(one.tags.encode()),
        msgspec.Raw(one.attributes.encode()),
        whole_if_integral(one.engagement_score),
        time(one.created_at),
        time(one.updated_at),
        whole_if_integral(one.lead_score),
        one.total_opens,
        one.total_clicks,
        one.total_orders,
        whole_if_integral(one.total_spent) or 0,
        in_seconds(one.last_opened_at),
        in_seconds(one.last_clicked_at),
        in_seconds(one.last_emailed_at),
    )
