"""Domain values -> Misar's shapes."""

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import in_seconds
from diglot.api.rules import write
from diglot.dialects.misar.formatting import time
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.dialects.misar.words import NAME, WORDS
from diglot.model.ids import format_prefixed_id
from diglot.model.segments import Condition, CountedSegment


def criteria(condition: Condition) -> msgspec.Raw:
    """Return a condition as sent, or in Misar's words when it was sent in another dialect."""
    source = condition.original
    text = source.text if source.dialect == NAME else write(condition.tree, WORDS)
    return msgspec.Raw(text.encode())


def segment(counted: CountedSegment) -> segments_wire.Segment:
    """Show a segment with its rules."""
    one = counted.segment
    return segments_wire.Segment(
        id=format_prefixed_id(one.id),
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


def segment_item(counted: CountedSegment) -> segments_wire.SegmentItem:
    """Show a segment in a list."""
    one = counted.segment
    return segments_wire.SegmentItem(
        id=format_prefixed_id(one.id),
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
