"""Domain values -> Misar's shapes."""

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import in_seconds, whole_if_integral
from diglot.api.rules import write
from diglot.dialects.misar import wire
from diglot.dialects.misar.keys import wire as keys_wire
from diglot.dialects.misar.words import WORDS
from diglot.model.contacts import Contact
from diglot.model.ids import prefixed
from diglot.model.segments import Condition, CountedSegment
from diglot.model.workspaces import Key

NAME = "misar"


def time(instant: int) -> str:
    """Return an instant as answers print it."""
    shown = in_seconds(instant)
    assert shown is not None
    return shown


def criteria(condition: Condition) -> msgspec.Raw:
    """Return a condition as sent, or in Misar's words when it was sent in another dialect."""
    source = condition.source
    text = source.text if source.dialect == NAME else write(condition.tree, WORDS)
    return msgspec.Raw(text.encode())


def segment(counted: CountedSegment) -> wire.Segment:
    """Show a segment with its rules."""
    one = counted.segment
    return wire.Segment(
        id=prefixed(one.id),
        name=one.name,
        description=one.description,
        segment_type=one.type.value,
        filter_criteria=criteria(one.condition),
        contact_count=counted.count,
        last_calculated_at=in_seconds(one.last_calculated_at),
        created_at=time(one.created_at),
        updated_at=time(one.updated_at),
        count_as_of=time(counted.as_of),
        revision=one.revision,
        next_change_at=in_seconds(next_change(one)),
    )


def segment_item(counted: CountedSegment) -> wire.SegmentItem:
    """Show a segment in a list."""
    one = counted.segment
    return wire.SegmentItem(
        id=prefixed(one.id),
        name=one.name,
        description=one.description,
        segment_type=one.type.value,
        contact_count=counted.count,
        last_calculated_at=in_seconds(one.last_calculated_at),
        created_at=time(one.created_at),
        count_as_of=time(counted.as_of),
        revision=one.revision,
        next_change_at=in_seconds(next_change(one)),
    )


def contact(one: Contact) -> wire.Contact:
    """Show a contact."""
    return wire.Contact(
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


def key(one: Key, now: int) -> keys_wire.Key:
    """Show a key without its secret."""
    return keys_wire.Key(
        id=one.id,
        name=one.name or "",
        key_prefix=one.prefix,
        scopes=",".join(one.scopes),
        allowed_account_id=one.account,
        is_active=one.works(now),
        last_used_at=in_seconds(one.last_used_at),
        created_at=time(one.created_at),
        expires_at=in_seconds(one.expires_at),
    )


def created_key(one: Key, secret: str) -> keys_wire.KeyCreatedAnswer:
    """Show a new key with its secret."""
    return keys_wire.KeyCreatedAnswer(
        success=True,
        key=secret,
        keyId=one.id,
        prefix=one.prefix,
        name=one.name or "",
        scopes=",".join(one.scopes),
        createdAt=time(one.created_at),
        expiresAt=in_seconds(one.expires_at),
    )
