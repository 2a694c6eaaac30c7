"""When time changes segments next, and which new values of fields cannot come before that."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from diglot.conditions.relative_dates import NEVER, RelativeDate

# The segments that have each relative date, and the relative dates of each field.
SegmentsByDate = Mapping[RelativeDate, Sequence[int]]
DatesByField = Mapping[str, Sequence[RelativeDate]]


@dataclass(frozen=True, slots=True)
class NextChanges:
    """The next change by time of each segment with relative dates, at a version of the workspace clock.

    `latest_by_date` has the latest of the segments that have a relative date, or a later instant. A value of
    a field that is not before the one in `first_late_values` changes no segment before its next change.
    """

    version: int
    by_segment: Mapping[int, int]
    latest_by_date: Mapping[RelativeDate, int]
    first_late_values: Mapping[str, int]

    @classmethod
    def build(
        cls, version: int, by_segment: Mapping[int, int], segments: SegmentsByDate, of_field: DatesByField
    ) -> "NextChanges":
        """Return those of a version of the clock, given the next change of each segment that time changes."""
        latest = _find_latest(segments, by_segment, segments)
        return cls(version, by_segment, latest, _find_first_late(of_field, latest, of_field))

    def lower(
        self,
        version: int,
        lowered: Mapping[int, int],
        dates: Iterable[RelativeDate],
        segments: SegmentsByDate,
        of_field: DatesByField,
    ) -> "NextChanges":
        """Return them after some of them were lowered because of some relative dates."""
        by_segment = {**self.by_segment, **lowered}
        latest = {**self.latest_by_date, **_find_latest(dates, by_segment, segments)}
        fields = {relative_date.field for relative_date in dates}
        first_late = {**self.first_late_values, **_find_first_late(fields, latest, of_field)}
        return NextChanges(version, by_segment, latest, first_late)


def _find_latest(
    dates: Iterable[RelativeDate], by_segment: Mapping[int, int], segments: SegmentsByDate
) -> dict[RelativeDate, int]:
    return {one: max(by_segment.get(number, NEVER) for number in segments[one]) for one in dates}


def _find_first_late(
    fields: Iterable[str], latest: Mapping[RelativeDate, int], of_field: DatesByField
) -> dict[str, int]:
    """Return the first value of each field that flips none of its relative dates before the latest change."""
    return {
        field: max(
            NEVER if one.offsets is None else latest[one] + max(one.offsets) - 1 for one in of_field[field]
        )
        for field in fields
    }
