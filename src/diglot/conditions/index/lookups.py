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
from diglot.conditions.fields import FIELDS, FieldKind, attribute_key, kind_of
from diglot.conditions.index.masks import weigh_mask
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
from diglot.conditions.index.set_masks import Effects, SetMasks, weigh_effects
from diglot.conditions.python_runtime import calendar_bounds, day_begun

K = TypeVar("K", bound=Hashable)
# Takes a contact and an instant (microseconds), and returns the gates that are ruled out.
Ask = Callable[[ContactView, int], int]
# The forms whose answer changes by time alone.
MOVING_FORMS: Final = frozenset({Form.DISTANCE, Form.DAY})
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
    made = RangeMasks(spans, setting.width, setting.budget)
    constants, masks, missing = made.constants, made.masks, made.missing
    name, read, is_core = reading.field, reader_of(reading), reading.field in FIELDS

    def ask_field(view: ContactView, _now: int) -> int:
        value = view.fields[name]
        if value is None:
            return missing()
        return masks[bisect_left(constants, value) + bisect_right(constants, value)]

    def ask_distance(view: ContactView, now: int) -> int:
        value = view.fields[name] if is_core else read(view)
        if value is None:
            return missing()
        value -= now
        return masks[bisect_left(constants, value) + bisect_right(constants, value)]

    def ask_attribute(view: ContactView, _now: int) -> int:
        value = read(view)
        if value is None:
            return missing()
        return masks[bisect_left(constants, value) + bisect_right(constants, value)]

    if reading.form is Form.DISTANCE:
        return ask_distance, missing
    return ask_field if is_core else ask_attribute, missing


def _set_masks(asked: Sequence[Asked], width: int, budget: MemoBudget) -> SetMasks:
    return SetMasks([(one.required, one.forbidden) for one in asked], width, budget)


def _tests_by_key(pairs: Iterable[tuple[K, int]]) -> Mapping[K, Sequence[int]]:
    tests: defaultdict[K, list[int]] = defaultdict(list)
    for key, number in pairs:
        tests[key].append(number)
    return {key: tuple(numbers) for key, numbers in tests.items()}


def _look_up_keys(reading: Reading, asked: Sequence[Asked], setting: Setting) -> _Made:
    masks, read = _set_masks(asked, setting.width, setting.budget), reader_of(reading)
    missing = masks.missing
    tests = [one.test for one in asked if isinstance(one.test, AnyOf)]
    by_key = _tests_by_key((key, number) for number, test in enumerate(tests) for key in test.keys)
    find_known = frozenset(by_key).intersection
    # Masks by the keys that a contact has and a test asks for: by the key alone if it is one.
    memo: Memo[Key | frozenset[Key], int] = setting.budget.memo(_weigh_keys)
    memo_of_effects: Memo[Key, Effects] = setting.budget.memo(lambda _, effects: weigh_effects(effects))

    def ask(view: ContactView, _now: int) -> int:
        keys = read(view)
        if len(keys) == 1:
            (key,) = keys
            mask = memo.recent.get(key)
            return find_one(key) if mask is None else mask
        known = find_known(keys)
        mask = memo.get(known)
        if mask is None:
            mask = memo.put(known, masks.combine([find_effects(key) for key in known]))
        return mask

    def find_one(key: Key) -> int:
        if key not in by_key:
            return missing()
        mask = memo.get(key)
        return memo.put(key, masks.combine([masks.effects_of(by_key[key])])) if mask is None else mask

    def find_effects(key: Key) -> Effects:
        effects = memo_of_effects.get(key)
        return memo_of_effects.put(key, masks.effects_of(by_key[key])) if effects is None else effects

    return ask, missing


def _weigh_keys(keys: Key | frozenset[Key], mask: int) -> int:
    return 400 + getsizeof(keys) + weigh_mask(mask)


def _look_up_parts(reading: Reading, asked: Sequence[Asked], setting: Setting) -> _Made:
    masks, read = _set_masks(asked, setting.width, setting.budget), reader_of(reading)
    missing, find_masks = masks.missing, masks.ruled_out
    find = PartFinder([one.test for one in asked if isinstance(one.test, HasPart)]).find
    name, is_text = reading.field, kind_of(reading.field) is FieldKind.TEXT
    # The tests that are true of texts, because many texts have the same; and the masks by these tests.
    memo: Memo[FoldedTexts | str, frozenset[int]] = setting.budget.memo(_weigh_found)
    memo_of_masks: Memo[frozenset[int], int] = setting.budget.memo(_weigh_tests)

    def ask_text(view: ContactView, _now: int) -> int:
        folded = view.folded_text(name)
        if folded is None:
            return missing()
        true = memo.recent.get(folded)
        if true is None:
            true = memo.get(folded)
            if true is None:
                true = memo.put(folded, find(FoldedTexts((folded,))))
        return mask_of(true)

    def ask(view: ContactView, _now: int) -> int:
        value = read(view)
        if not value.texts:
            return missing()
        true = memo.get(value)
        return mask_of(memo.put(value, find(value)) if true is None else true)

    def mask_of(true: frozenset[int]) -> int:
        mask = memo_of_masks.recent.get(true)
        if mask is None:
            mask = memo_of_masks.get(true)
            if mask is None:
                mask = memo_of_masks.put(true, find_masks(true))
        return mask

    return ask_text if is_text else ask, missing


def _weigh_found(value: FoldedTexts | str, true: frozenset[int]) -> int:
    texts = (value,) if isinstance(value, str) else (*value.texts, *(value.elements or ()))
    return 400 + sum(map(getsizeof, texts)) + getsizeof(true)


def _weigh_tests(true: frozenset[int], mask: int) -> int:
    return 400 + getsizeof(true) + weigh_mask(mask)


def _look_up_days(reading: Reading, asked: Sequence[Asked], setting: Setting) -> _Made:
    masks, read, zone = _set_masks(asked, setting.width, setting.budget), reader_of(reading), setting.zone
    missing, find_masks = masks.missing, masks.ruled_out
    tests = [one.test for one in asked if isinstance(one.test, OnDay)]
    by_days = _tests_by_key((test.days, number) for number, test in enumerate(tests))
    # The asked days near each distance from today in days of 24 h: the offset of a time zone and the length
    # of a day differ from others by less than two days.
    near = _tests_by_key((days + distance, days) for days in by_days for distance in range(-3, 2))
    memo: Memo[int, int] = setting.budget.memo(lambda _, mask: 200 + weigh_mask(mask))
    spans_near: Memo[tuple[int, int], Sequence[tuple[int, int, int]]] = setting.budget.memo(
        lambda _, spans: 300 + 200 * len(spans)
    )

    def ask(view: ContactView, now: int) -> int:
        value = read(view)
        if value is None:
            return missing()
        begun = day_begun(now, zone)
        distance = (begun - value) // dates.DAY
        if distance in near:
            spans = spans_near.get((begun, distance))
            for begin, end, days in find_spans(begun, distance) if spans is None else spans:
                if begin <= value < end:
                    mask = memo.get(days)
                    return memo.put(days, find_masks(by_days[days])) if mask is None else mask
        return missing()

    def find_spans(begun: int, distance: int) -> Sequence[tuple[int, int, int]]:
        spans = [(*calendar_bounds(days, begun, zone), days) for days in near[distance]]
        return spans_near.put((begun, distance), spans)

    return ask, missing


_MAKERS: Final[Mapping[type, Callable[[Reading, Sequence[Asked], Setting], _Made]]] = {
    AnyOf: _look_up_keys,
    Within: _look_up_span,
    OnDay: _look_up_days,
    HasPart: _look_up_parts,
}
