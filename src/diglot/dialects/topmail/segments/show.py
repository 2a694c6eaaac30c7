"""Domain values -> Topmail's shapes."""

from collections.abc import Sequence
from typing import Any

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import in_milliseconds, whole_if_integral
from diglot.api.rules import write
from diglot.dialects.topmail import wire
from diglot.dialects.topmail.lists import wire as lists_wire
from diglot.dialects.topmail.tags import wire as tags_wire
from diglot.dialects.topmail.words import WORDS
from diglot.model.contacts import SUBSCRIBED, Contact, ListName
from diglot.model.lists import CountedList
from diglot.model.segments import Condition, Count, Segment
from diglot.model.tags import Tag

NAME = "topmail"


def time(instant: int) -> str:
    """Return an instant as answers print it."""
    shown = in_milliseconds(instant)
    assert shown is not None
    return shown


def conditions(condition: Condition) -> msgspec.Raw:
    """Return a condition as sent, or in Topmail's words when it was sent in another dialect."""
    source = condition.source
    text = source.text if source.dialect == NAME else write(condition.tree, WORDS)
    return msgspec.Raw(text.encode())


def segment(one: Segment) -> wire.Segment:
    """Show a segment."""
    return wire.Segment(
        one.id,
        one.name,
        conditions(one.condition),
        time(one.created_at),
        time(one.updated_at),
        one.revision,
        in_milliseconds(next_change(one)),
    )


def estimate(count: Count) -> wire.Estimate:
    """Show how many contacts match."""
    return wire.Estimate(count.number, count.number, time(count.as_of), count.revision)


def contact_list(counted: CountedList) -> lists_wire.ContactList:
    """Show a list with its count."""
    one, segment = counted.list, counted.list.segment
    return lists_wire.ContactList(
        one.id,
        one.name,
        one.description,
        one.type.value,
        msgspec.Raw(b"null") if segment is None else conditions(segment.condition),
        counted.count,
        time(one.created_at),
        time(one.updated_at),
        time(counted.as_of),
        None if segment is None else segment.revision,
        None if segment is None else in_milliseconds(next_change(segment)),
    )


def tag(one: Tag) -> tags_wire.Tag:
    """Show a tag."""
    return tags_wire.Tag(
        one.id,
        one.name,
        one.color,
        one.description,
        one.contact_count,
        time(one.created_at),
        time(one.updated_at),
    )


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


def contact(one: Contact) -> wire.Contact:
    """Show a contact."""
    return wire.Contact(*_own(one), *_extension(one))


def contact_detail(one: Contact, lists: Sequence[ListName]) -> wire.ContactDetail:
    """Show a contact with its lists."""
    named = [wire.ListName(each.id, each.name) for each in lists]
    return wire.ContactDetail(*(*_own(one), named, *_extension(one)))
