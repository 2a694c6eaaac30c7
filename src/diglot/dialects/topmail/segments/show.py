"""Converts segments to Topmail's structs."""

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import format_milliseconds
from diglot.api.rules.writing import show_condition
from diglot.api.warnings import Warnings
from diglot.dialects.topmail.formatting import format_time
from diglot.dialects.topmail.segments import wire as segments_wire
from diglot.dialects.topmail.words import DIALECT_NAME, WORDS
from diglot.model.segments import Condition, MemberCount, Segment


def show_conditions(condition: Condition) -> msgspec.Raw:
    """Return a condition as sent, or in Topmail's words if it was sent in another dialect."""
    return show_condition(condition, DIALECT_NAME, WORDS)


def show_segment(segment: Segment, warnings: Warnings) -> segments_wire.Segment:
    """Show a segment."""
    return segments_wire.Segment(
        segment.id,
        segment.name,
        show_conditions(segment.condition),
        format_time(segment.created_at),
        format_time(segment.updated_at),
        segment.revision,
        format_milliseconds(next_change(segment)),
        warnings,
    )


def show_estimate(count: MemberCount, warnings: Warnings) -> segments_wire.Estimate:
    """Show the number of matching contacts."""
    as_of = format_time(count.as_of)
    return segments_wire.Estimate(count.members, count.members, as_of, count.revision, warnings)
