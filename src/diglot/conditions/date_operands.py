"""What operands that are dates mean in a time zone (semantics 13, 14 and 29).

A stored condition keeps a date as it was written, without a time zone, so that a change of the workspace's
time zone changes what it means. Instants are microseconds.
"""

from datetime import date
from zoneinfo import ZoneInfo

from diglot.conditions import dates, tree


def to_instant(operand: tree.Date, zone: ZoneInfo) -> int:
    """Return the instant of a date; a date without a time is the start of its day."""
    if isinstance(operand, tree.Instant):
        return operand.value
    parsed = dates.parse(operand.value)
    assert parsed is not None
    return parsed.to_instant(zone)


def to_span(operand: tree.Date, zone: ZoneInfo) -> tuple[int, int]:
    """Return the first instant that equals a date, and the first after it."""
    if isinstance(operand, tree.Day):
        return dates.day_span(date.fromisoformat(operand.value), zone)
    instant = to_instant(operand, zone)
    return instant, instant + 1
