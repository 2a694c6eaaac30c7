"""The look-ups that depend on today or now: of calendar days, anniversaries, and jumps of sums."""

from collections.abc import Sequence
from typing import Final

from diglot.caches import Memo
from diglot.conditions import dates
from diglot.conditions.computed.anniversaries import days_until, month_day_of, today
from diglot.conditions.index.asked import Asked, Setting, group_by_key, set_masks_of
from diglot.conditions.index.masks import weigh_mask
from diglot.conditions.index.questions import OddSince, OnAnniversary, OnDay, Reading
from diglot.conditions.python_runtime import calendar_bounds, day_begun, is_odd_since

# The asked days that may hold an instant, by its distance from the begin of today in days of 24 h: offsets of
# a time zone, and the lengths of its days, differ by less than two days.
_NEAR: Final = range(-3, 2)
# The bounds of a day, and how many days ago it is.
_Span = tuple[int, int, int]


class DayLookup:
    """Finds the asked day that holds an instant of a contact.

    No mask depends on today. The bounds of days are remembered for each day that is today, so that a tick at
    midnight can ask for both by turns.
    """

    __slots__ = ("_by_days", "_find_mask", "_masks", "_near", "_spans", "_today", "_zone", "missing")

    def __init__(self, _reading: Reading, asked: Sequence[Asked], setting: Setting) -> None:
        masks = set_masks_of(asked, setting)
        self.missing, self._find_mask = masks.missing, masks.ruled_out
        self._zone = setting.zone
        tests = [one.test for one in asked if isinstance(one.test, OnDay)]
        self._by_days = group_by_key((test.days, number) for number, test in enumerate(tests))
        self._near = group_by_key((days + distance, days) for days in self._by_days for distance in _NEAR)
        self._masks: Memo[int, int] = setting.budget.memo(_weigh_days)
        self._spans: Memo[tuple[int, int], Sequence[_Span]] = setting.budget.memo(_weigh_spans)
        # The instant that was asked last, and when its day began.
        self._today = (0, day_begun(0, self._zone))

    def mask_of(self, value: int, now: int) -> int:
        """Return the gates that are ruled out by an instant of a contact."""
        asked, begun = self._today
        if asked != now:
            begun = day_begun(now, self._zone)
            self._today = now, begun
        distance = (begun - value) // dates.DAY
        if distance in self._near:
            for begin, end, days in self._spans_near(begun, distance):
                if begin <= value < end:
                    mask = self._masks.get(days)
                    return (
                        self._masks.put(days, self._find_mask(self._by_days[days])) if mask is None else mask
                    )
        return self.missing()

    def _spans_near(self, begun: int, distance: int) -> Sequence[_Span]:
        spans = self._spans.get((begun, distance))
        if spans is None:
            found = [(*calendar_bounds(days, begun, self._zone), days) for days in self._near[distance]]
            spans = self._spans.put((begun, distance), found)
        return spans


def _weigh_days(_days: int, mask: int) -> int:
    return 200 + weigh_mask(mask)


def _weigh_spans(_key: tuple[int, int], spans: Sequence[_Span]) -> int:
    return 300 + 200 * len(spans)


class AnniversaryLookup:
    """Finds the tests that ask for the distance from today to the month-day of an instant.

    No mask depends on today, so that a tick at midnight can ask for both days by turns.
    """

    __slots__ = ("_find_mask", "_masks", "_tests", "_zone", "missing")

    def __init__(self, _reading: Reading, asked: Sequence[Asked], setting: Setting) -> None:
        masks = set_masks_of(asked, setting)
        self.missing, self._find_mask = masks.missing, masks.ruled_out
        self._zone = setting.zone
        self._tests = [one.test.distances for one in asked if isinstance(one.test, OnAnniversary)]
        self._masks: Memo[int, int] = setting.budget.memo(_weigh_distance)

    def mask_of(self, value: int, now: int) -> int:
        """Return the gates that are ruled out by an instant of a contact."""
        distance = days_until(month_day_of(value, self._zone), today(now, self._zone))
        mask = self._masks.get(distance)
        if mask is None:
            true = [number for number, distances in enumerate(self._tests) if distances >> distance & 1]
            mask = self._masks.put(distance, self._find_mask(true))
        return mask


def _weigh_distance(_distance: int, mask: int) -> int:
    return 200 + weigh_mask(mask)


class JumpLookup:
    """Finds the tests that ask whether an odd number of instants lie within a length of time before now.

    Masks are remembered by the tests that are true, because few lengths lie between two instants.
    """

    __slots__ = ("_find_mask", "_lengths", "_masks", "missing")

    def __init__(self, _reading: Reading, asked: Sequence[Asked], setting: Setting) -> None:
        masks = set_masks_of(asked, setting)
        self.missing, self._find_mask = masks.missing, masks.ruled_out
        self._lengths = [one.test.length for one in asked if isinstance(one.test, OddSince)]
        self._masks: Memo[tuple[int, ...], int] = setting.budget.memo(_weigh_tests)

    def mask_of(self, value: Sequence[int], now: int) -> int:
        """Return the gates that are ruled out by instants of a contact, the oldest first."""
        true = tuple(
            number for number, length in enumerate(self._lengths) if is_odd_since(value, now - length)
        )
        mask = self._masks.get(true)
        return self._masks.put(true, self._find_mask(true)) if mask is None else mask


def _weigh_tests(true: tuple[int, ...], mask: int) -> int:
    return 200 + 8 * len(true) + weigh_mask(mask)


# The look-ups of which `MovingReadings` asks one value after the other.
TimedLookup = DayLookup | AnniversaryLookup | JumpLookup
