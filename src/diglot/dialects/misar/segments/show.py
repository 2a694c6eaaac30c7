"""Converts segments to Misar's structs."""

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import format_seconds
from diglot.api.rules import write_condition
from diglot.dialects.misar.formatting import format_time
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.dialects.misar.words import DIALECT_NAME, WORDS
from diglot.model.ids import format_prefixed_id
from diglot.model.segments import Condition, CountedSegment


def show_criteria(condition: Condition) -> msgspec.Raw:
    """Return a condition as sent, or in Misar's words if it was sent in another dialect."""
    source = condition.original
    text = source.text if source.dialect == DIALECT_NAME else write_condition(condition.tree, WORDS)
    return msgspec.Raw(text.encode())


def show_segment(counted: CountedSegment) -> segments_wire.Segment:
    """Show a segment with its rules."""
    one = counted.segment
    return segments_wire.Segment(
        id=format_prefixed_id(one.id),
        name=one.name,
        description=one.description,
        segment_type=one.type.value,
        filter_criteria=show_criteria(one.condition),
        contact_count=counted.count,
        last_calculated_at=format_seconds(one.last_calculated_at),
        created_at=format_time(one.created_at),
        updated_at=format_time(one.updated_at),
        count_as_of=format_time(counted.as_of),
        revision=one.revision,
        next_change_at=format_seconds(next_change(one)),
    )


def show_segment_item(counted: CountedSegment) -> segments_wire.SegmentItem:
    """Show a segment in a list."""
    one = counted.segment
    return segments_wire.SegmentItem(
        id=format_prefixed_id(one.id),
        name=one.name,
        description=one.description,
        segment_type=one.type.value,
        contact_count=counted.count,
        last_calculated_at=format_seconds(one.last_calculated_at),
        created_at=format_time(one.created_at),
        count_as_of=format_time(counted.as_of),
        revision=one.revision,
        next_change_at=format_seconds(next_change(one)),
    )
