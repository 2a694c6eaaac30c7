"""Domain values -> Topmail's shapes."""

import msgspec

from diglot.api.extensions.as_of import next_change
from diglot.api.formatting import in_milliseconds
from diglot.api.rules import write
from diglot.dialects.topmail.formatting import time
from diglot.dialects.topmail.segments import wire as segments_wire
from diglot.dialects.topmail.words import NAME, WORDS
from diglot.model.segments import Condition, MemberCount, Segment


def conditions(condition: Condition) -> msgspec.Raw:
    """Return a condition as sent, or in Topmail's words when it was sent in another dialect."""
    source = condition.original
    text = source.text if source.dialect == NAME else write(condition.tree, WORDS)
    return msgspec.Raw(text.encode())


def segment(one: Segment) -> segments_wire.Segment:
    """Show a segment."""
    return segments_wire.Segment(
        one.id,
        one.name,
        conditions(one.condition),
        time(one.created_at),
        time(one.updated_at),
        one.revision,
        in_milliseconds(next_change(one)),
    )


def estimate(count: MemberCount) -> segments_wire.Estimate:
    """Show how many contacts match."""
    return segments_wire.Estimate(count.members, count.members, time(count.as_of), count.revision)
