"""Converts segments to Misar's structs."""

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import format_seconds
from diglot.api.rules.writing import show_condition
from diglot.api.warnings import Warnings
from diglot.dialects.misar.formatting import format_time
from diglot.dialects.misar.segments import wire as segments_wire
from diglot.dialects.misar.words import DIALECT_NAME, WORDS
from diglot.model.ids import format_prefixed_id
from diglot.model.segments import Condition, CountedSegment


def show_criteria(condition: Condition) -> msgspec.Raw:
    """Return a condition as sent, or in Misar's words if it was sent in another dialect."""
    return show_condition(condition, DIALECT_NAME, WORDS)


def show_segment(counted: CountedSegment, warnings: Warnings) -> segments_wire.Segment:
    """Show a segment with its rules."""
    segment = counted.segment
    return segments_wire.Segment(
        id=format_prefixed_id(segment.id),
        name=segment.name,
        description=segment.description,
        segment_type=segment.type.value,
        filter_criteria=show_criteria(segment.condition),
        contact_count=counted.count,
        last_calculated_at=format_seconds(segment.last_calculated_at),
        created_at=format_time(segment.created_at),
        updated_at=format_time(segment.updated_at),
        count_as_of=format_time(counted.as_of),
        revision=segment.revision,
        next_change_at=format_seconds(next_change(segment)),
        warnings=warnings,
    )


def show_segment_item(counted: CountedSegment, warnings: Warnings) -> segments_wire.SegmentItem:
    """Show a segment in a list."""
    segment = counted.segment
    return segments_wire.SegmentItem(
        id=format_prefixed_id(segment.id),
        name=segment.name,
        description=segment.description,
        segment_type=segment.type.value,
        contact_count=counted.count,
        last_calculated_at=format_seconds(segment.last_calculated_at),
        created_at=format_time(segment.created_at),
        count_as_of=format_time(counted.as_of),
        revision=segment.revision,
        next_change_at=format_seconds(next_change(segment)),
        warnings=warnings,
    )
