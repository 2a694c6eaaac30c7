"""One look-up for each reading: from a contact to the mask of the gates that this field of it rules out."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from sys import getsizeof
from typing import Final, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

from diglot.caches import Memo, MemoBudget
from diglot.conditions import dates
from diglot.conditions.contact_view import ContactView
from diglot.conditions.fields import attribute_key
from diglot.conditions.index.parts import PartFinder
from diglot.conditions.index.questions import (
    AnyOf,
    FoldedTexts,
    Form,
    HasPart,
    Key,
    OnDay,
    Reading,
    Test,
    Within,
)
from diglot.conditions.index.range_masks import RangeMasks
from diglot.conditions.index.readings import reader_of
from diglot.conditions.index.set_masks import SetMasks
from diglot.conditions.python_runtime import calendar_bounds, day_begun

K = TypeVar("K", bound=Hashable)
# Takes a contact and an instant (microseconds), and returns the gates that are ruled out.
Ask = Callable[[ContactView, int], int]
# The forms whose answer changes by time alone.
MOVING_FORMS: Final = frozenset({Form.DISTANCE, Form.DAY})
_NO_TESTS: Final = frozenset[int]()
_Made = tuple[Ask, Callable[[], int]]


class Asked(NamedTuple):
    """A test, and the bits of the gates that require it and of those that forbid it."""

    test: Test
    required: Sequence[int]
    forbidden: Sequence[int]


class Setting(NamedTuple):
    """What the look-ups of one index share: bits below `width`, a time zone, and bytes for what they find."""

    width: int
    zone: ZoneInfo
    budget: MemoBudget


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """The gates that one reading of a contact rules out, and those ruled out if the contact misses the field.

    `key` is that of a custom attribute, None for a core field; `is_moving` says that time alone may change
    the answer.
    """

    field: str
    key: str | None
    is_moving: bool
    ask: Ask
    missing: Callable[[], int]


def make_lookup(reading: Reading, asked: Sequence[Asked], setting: Setting) -> Lookup:
    """Return the look-up of a reading."""
    ask, missing = _MAKERS[type(asked[0].test)](reading, asked, setting)
    return Lookup(reading.field, attribute_key(reading.field), reading.form in MOVING_FORMS, ask, missing)


def _look_up_span(reading: Reading, asked: Sequence[Asked], setting: Setting) -> _Made:
    spans = [(one.test, one.required, one.forbidden) for one in asked if isinstance(one.test, Within)]
    masks = RangeMasks(spans, setting.width, setting.budget)
    read, constants, mask_at, missing = reader_of(reading), masks.constants, masks.mask_at, masks.missing

    def ask(view: ContactView, _now: int) -> int:
        value = read(view)
        if value is None:
            return missing()
        return mask_at(bisect_left(constants, value) + bisect_right(constants, value))

    def ask_distance(view: ContactView, now: int) -> int:
        value = read(view)
        if value is None:
            return missing()
        value -= now
        return mask_at(bisect_left(constants, value) + bisect_right(constants, value))

    return ask_distance if reading.form is Form.DISTANCE else ask, missing


def _set_masks(asked: Sequence[Asked], setting: Setting) -> SetMasks:
    return SetMasks([(one.required, one.forbidden) for one in asked], setting.width, setting.budget)


def _tests_by_key(pairs: Iterable[tuple[K, int]]) -> Mapping[K, frozenset[int]]:
    tests: defaultdict[K, list[int]] = defaultdict(list)
    for key, number in pairs:
        tests[key].append(number)
    return {key: frozenset(numbers) for key, numbers in tests.items()}


def _look_up_keys(reading: Reading, asked: Sequence[Asked], setting: Setting) -> _Made:
    masks, read = _set_masks(asked, setting), reader_of(reading)
    tests = [one.test for one in asked if isinstance(one.test, AnyOf)]
    by_key = _tests_by_key((key, number) for number, test in enumerate(tests) for key in test.keys)
    find_known, tests_of_key, ruled_out = frozenset(by_key).intersection, by_key.get, masks.ruled_out
    memo: Memo[frozenset[Key], frozenset[int]] = setting.budget.memo(
        lambda keys, true: 400 + 60 * (len(keys) + len(true))
    )

    def ask(view: ContactView, _now: int) -> int:
        keys = read(view)
        if len(keys) == 1:
            (key,) = keys
            return ruled_out(tests_of_key(key, _NO_TESTS))
        known = find_known(keys)
        true = memo.get(known)
        if true is None:
            true = memo.put(known, _NO_TESTS.union(*(by_key[key] for key in known)))
        return ruled_out(true)

    return ask, masks.missing


def _look_up_parts(reading: Reading, asked: Sequence[Asked], setting: Setting) -> _Made:
    masks, read = _set_masks(asked, setting), reader_of(reading)
    find = PartFinder([one.test for one in asked if isinstance(one.test, HasPart)]).find
    ruled_out, missing = masks.ruled_out, masks.missing
    memo: Memo[FoldedTexts, frozenset[int]] = setting.budget.memo(_weigh_found)

    def ask(view: ContactView, _now: int) -> int:
        value = read(view)
        if not value.texts:
            return missing()
        true = memo.get(value)
        return ruled_out(memo.put(value, find(value)) if true is None else true)

    return ask, missing


def _weigh_found(value: FoldedTexts, true: frozenset[int]) -> int:
    texts = (*value.texts, *(value.elements or ()))
    return 400 + sum(map(getsizeof, texts)) + getsizeof(true)


def _look_up_days(reading: Reading, asked: Sequence[Asked], setting: Setting) -> _Made:
    masks, read, zone = _set_masks(asked, setting), reader_of(reading), setting.zone
    tests = [one.test for one in asked if isinstance(one.test, OnDay)]
    by_days = _tests_by_key((test.days, number) for number, test in enumerate(tests))
    ruled_out, missing = masks.ruled_out, masks.missing

    def ask(view: ContactView, now: int) -> int:
        value = read(view)
        if value is None:
            return missing()
        begun = day_begun(now, zone)
        # An offset of a time zone, and the length of a day, differ from others by less than two days.
        about = (begun - value) // dates.DAY
        for days in range(about - 1, about + 4):
            if days in by_days:
                begin, end = calendar_bounds(days, begun, zone)
                if begin <= value < end:
                    return ruled_out(by_days[days])
        return missing()

    return ask, missing


_MAKERS: Final[Mapping[type, Callable[[Reading, Sequence[Asked], Setting], _Made]]] = {
    AnyOf: _look_up_keys,
    Within: _look_up_span,
    OnDay: _look_up_days,
    HasPart: _look_up_parts,
}
