"""When time changes segments next, and which new values of fields cannot come before that."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from diglot.conditions.relative_dates import NEVER, RelativeDate

# The segments that have each relative date, and the relative dates of each field.
SegmentsByDate = Mapping[RelativeDate, Sequence[int]]
DatesByField = Mapping[str, Sequence[RelativeDate]]


@dataclass(frozen=True, slots=True)
class NextChanges:
    """The next change by time of each segment with relative dates, at a version of the workspace clock.

    `latest_by_date` has the latest of the segments that have a relative date, or a later instant. A value of
    a field that is not before the one in `first_late_values` changes no segment before its next change. Nor
    does a value that is not after now, and not before the one in `first_late_past`: only a window whose begin
    passes it can count then, so the new instants of an event come almost always late.
    """

    version: int
    by_segment: Mapping[int, int]
    latest_by_date: Mapping[RelativeDate, int]
    first_late_values: Mapping[str, int]
    first_late_past: Mapping[str, int]

    @classmethod
    def build(
        cls, version: int, by_segment: Mapping[int, int], segments: SegmentsByDate, of_field: DatesByField
    ) -> "NextChanges":
        """Return those of a version of the clock, given the next change of each segment that time changes."""
        latest = _find_latest(segments, by_segment, segments)
        late = _find_first_late(of_field, latest, of_field, max)
        late_past = _find_first_late(of_field, latest, of_field, _find_last_begin)
        return cls(version, by_segment, latest, late, late_past)

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
        late = _find_first_late(fields, latest, of_field, max)
        late_past = _find_first_late(fields, latest, of_field, _find_last_begin)
        return NextChanges(
            *(version, by_segment, latest),
            first_late_values={**self.first_late_values, **late},
            first_late_past={**self.first_late_past, **late_past},
        )

    def may_lower(self, field: str, value: int, now: int) -> bool:
        """Tell whether a new value of a field may change a segment before its next change."""
        first_late = self.first_late_past if value <= now else self.first_late_values
        return value < first_late[field]


def _find_latest(
    dates: Iterable[RelativeDate], by_segment: Mapping[int, int], segments: SegmentsByDate
) -> dict[RelativeDate, int]:
    return {one: max(by_segment.get(number, NEVER) for number in segments[one]) for one in dates}


def _find_last_begin(offsets: Iterable[int]) -> int:
    """Return the last of the bounds that values of the past may still be after."""
    return max((offset for offset in offsets if offset <= 0), default=-NEVER)


def _find_first_late(
    fields: Iterable[str],
    latest: Mapping[RelativeDate, int],
    of_field: DatesByField,
    find_last: Callable[[Iterable[int]], int],
) -> dict[str, int]:
    """Return the first value of each field that flips none of its relative dates before the latest change.

    That is by the last of the bounds that count, which `find_last` returns.
    """
    return {
        field: max(
            NEVER if one.offsets is None else latest[one] + find_last(one.offsets) - 1
            for one in of_field[field]
        )
        for field in fields
    }
