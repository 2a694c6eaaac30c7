"""The look-ups of core fields: from a contact to the mask of the gates that a field of it rules out.

A field has a look-up for each reading. Values are stored in few forms and repeat, so what all readings of a
field find is remembered together, by the value as it is stored: then neither its forms are derived nor its
readings asked. Numbers and instants, which seldom repeat, are found by bisection.
"""

from bisect import bisect_right
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from sys import getsizeof
from typing import Any, Final, Protocol

from diglot.caches import Memo
from diglot.conditions.computed_fields import is_sample, kind_of
from diglot.conditions.contact_view import ContactView
from diglot.conditions.fields import FieldKind
from diglot.conditions.index.asked import Ask, Asked, Setting
from diglot.conditions.index.kinds.day_lookup import AnniversaryLookup, DayLookup, JumpLookup, TimedLookup
from diglot.conditions.index.kinds.key_lookup import KeyLookup
from diglot.conditions.index.kinds.parts import PartLookup
from diglot.conditions.index.kinds.spans import MasksByPosition, SpanLookup
from diglot.conditions.index.masks import keep_mask, weigh_mask
from diglot.conditions.index.questions import (
    MOVING_FORMS,
    AnyOf,
    HasPart,
    OddSince,
    OnAnniversary,
    OnDay,
    Reading,
    Within,
)

KindOfLookup = KeyLookup | SpanLookup | TimedLookup | PartLookup
_LOOKUPS: Final[Mapping[type, Callable[[Reading, Sequence[Asked], Setting], KindOfLookup]]] = {
    AnyOf: KeyLookup,
    Within: SpanLookup,
    OnDay: DayLookup,
    OnAnniversary: AnniversaryLookup,
    OddSince: JumpLookup,
    HasPart: PartLookup,
}


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """What one reading of a contact rules out; `is_moving` says that time alone may change the answer.

    `bits` are those of the gates that require or forbid one of its tests.
    """

    reading: Reading
    is_moving: bool
    made: KindOfLookup
    bits: Sequence[int]


def make_lookup(reading: Reading, asked: Sequence[Asked], setting: Setting) -> Lookup:
    """Return the look-up of a reading."""
    made = _LOOKUPS[type(asked[0].test)](reading, asked, setting)
    bits = [bit for one in asked for bit in (*one.required, *one.forbidden)]
    return Lookup(reading, reading.form in MOVING_FORMS, made, bits)


def asks_of(lookups: Iterable[Lookup]) -> list[Ask]:
    """Return the functions of look-ups that do not depend on now."""
    asks: list[Ask] = []
    for lookup in lookups:
        assert not isinstance(lookup.made, TimedLookup)
        asks.append(lookup.made.ask)
    return asks


def ask_all(asks: Iterable[Ask], view: ContactView, now: int) -> int:
    """Return what any of several look-ups rules out."""
    ruled_out = 0
    for ask in asks:
        ruled_out |= ask(view, now)
    return ruled_out


def join_missing(lookups: Sequence[Lookup], setting: Setting) -> Callable[[], int]:
    """Return a function that returns what the readings of a field rule out if it is missing."""
    if len(lookups) == 1:
        return lookups[0].made.missing
    memo: Memo[int, int] = setting.budget.memo(lambda _, mask: weigh_mask(mask))

    def missing() -> int:
        mask = memo.get(0)
        if mask is None:
            mask = 0
            for lookup in lookups:
                mask |= lookup.made.missing()
            memo.put(0, mask)
        return mask

    return missing


def join_touched(lookups: Iterable[Lookup], setting: Setting) -> Callable[[], int]:
    """Return a function that returns the gates about which the readings of a field say anything."""
    bits = [bit for lookup in lookups for bit in lookup.bits]
    return keep_mask(bits, setting.width, setting.budget)


class FieldLookup(Protocol):
    """The look-ups of a field. `source` names the stored field that it reads.

    `touched` returns the gates about which they say anything.
    """

    @property
    def source(self) -> str: ...
    @property
    def touched(self) -> Callable[[], int]: ...

    def ask(self, view: ContactView, now: int) -> int:
        """Return the gates that are ruled out for a contact at an instant."""


class PlainLookup:
    """The look-ups of a core field of which nothing is remembered."""

    __slots__ = ("_asks", "source", "touched")

    def __init__(self, source: str, lookups: Sequence[Lookup], setting: Setting) -> None:
        self.source, self.touched = source, join_touched(lookups, setting)
        self._asks = asks_of(lookups)

    def ask(self, view: ContactView, now: int) -> int:
        """Return the gates that are ruled out for a contact at an instant."""
        return ask_all(self._asks, view, now)


class RememberedMasks:
    """What the readings of a field rule out together, by a key of the stored value."""

    __slots__ = ("_asks", "_shared", "memo")

    def __init__(self, asks: Sequence[Ask], setting: Setting) -> None:
        self._asks = asks
        self._shared = setting.shared
        weigh = weigh_entry if setting.shared is None else _weigh_shared
        self.memo: Memo[Hashable, int] = setting.budget.memo(weigh)

    def find(self, key: Hashable, view: ContactView) -> int:
        """Return the gates that are ruled out for a contact whose value has the key."""
        mask = self.memo.recent.get(key)
        if mask is None:
            mask = self.memo.older.get(key)
            if mask is None:
                mask = ask_all(self._asks, view, 0)
            self.memo.put(key, mask if self._shared is None else self._shared.share(mask))
        return mask


class RememberedLookup:
    """The look-ups of a core field whose masks are remembered."""

    __slots__ = ("key_of", "masks", "source", "touched")

    def __init__(
        self,
        source: str,
        lookups: Sequence[Lookup],
        setting: Setting,
        key_of: Callable[[ContactView], Hashable],
    ) -> None:
        self.source, self.touched = source, join_touched(lookups, setting)
        self.masks = RememberedMasks(asks_of(lookups), setting)
        self.key_of = key_of

    def ask(self, view: ContactView, _now: int) -> int:
        """Return the gates that are ruled out for a contact."""
        return self.masks.find(self.key_of(view), view)


class ValueLookup(RememberedLookup):
    """The look-ups of a core field whose masks are remembered by the stored value itself."""

    __slots__ = ()

    def __init__(self, source: str, lookups: Sequence[Lookup], setting: Setting) -> None:
        super().__init__(source, lookups, setting, lambda view: view.fields[source])


class OrderedLookup:
    """The look-up of a core number or instant."""

    __slots__ = ("edges", "masks", "missing", "source", "touched")

    def __init__(self, source: str, lookup: Lookup, spans: SpanLookup, setting: Setting) -> None:
        self.source, self.touched = source, join_touched([lookup], setting)
        self.edges, self.masks, self.missing = spans.edges, spans.masks, spans.missing

    def ask(self, view: ContactView, _now: int) -> int:
        """Return the gates that are ruled out for a contact."""
        value = view.fields[self.source]
        return self.missing() if value is None else self.masks[bisect_right(self.edges, value)]


class MovingReadings:
    """The relative dates of a field: distances from now by position, and functions for the others."""

    __slots__ = ("edges", "masks", "missing", "others", "touched")

    def __init__(self, lookups: Sequence[Lookup], setting: Setting) -> None:
        self.touched = join_touched(lookups, setting)
        self.missing = join_missing(lookups, setting)
        self.edges: Sequence[int] = ()
        self.masks: MasksByPosition = [0]
        self.others: list[Callable[[Any, int], int]] = []
        for lookup in lookups:
            if isinstance(lookup.made, SpanLookup):
                self.edges, self.masks = lookup.made.edges, lookup.made.masks
            else:
                assert isinstance(lookup.made, TimedLookup)
                self.others.append(lookup.made.mask_of)

    def mask_of(self, value: Any, now: int) -> int:
        """Return the gates that are ruled out for an instant of a contact, or for its instants."""
        mask = self.masks[bisect_right(self.edges, value - now) if self.edges else 0]
        for mask_of in self.others:
            mask |= mask_of(value, now)
        return mask


class MovingLookup:
    """The look-ups of the relative dates of a core field."""

    __slots__ = ("readings", "source", "touched")

    def __init__(self, source: str, lookups: Sequence[Lookup], setting: Setting) -> None:
        self.source = source
        self.readings = MovingReadings(lookups, setting)
        self.touched = self.readings.touched

    def ask(self, view: ContactView, now: int) -> int:
        """Return the gates that are ruled out for a contact at an instant."""
        value = view.fields[self.source]
        return self.readings.missing() if value is None else self.readings.mask_of(value, now)


def make_core_lookup(source: str, lookups: Sequence[Lookup], setting: Setting) -> FieldLookup:
    """Return the look-ups of a core field as one; either all of them are moving, or none is."""
    if lookups[0].is_moving:
        return MovingLookup(source, lookups, setting)
    if is_sample(source):
        return PlainLookup(source, lookups, setting)
    kind, first = kind_of(source), lookups[0].made
    if len(lookups) == 1 and isinstance(first, SpanLookup):
        return OrderedLookup(source, lookups[0], first, setting)
    if source == "email":
        return RememberedLookup(source, lookups, setting, _address_of)
    if kind in _VALUE_KINDS:
        return ValueLookup(source, lookups, setting)
    if kind in _KEYS:
        return RememberedLookup(source, lookups, setting, _KEYS[kind])
    return PlainLookup(source, lookups, setting)


def source_of(field: str) -> str:
    """Return the stored field that a core field is read from."""
    return "status" if kind_of(field) is FieldKind.BOOLEAN else field


def weigh_entry(key: Hashable, mask: int) -> int:
    """Return the bytes of a mask and its key, a text or a tuple of texts."""
    size = 240 + getsizeof(key) + (mask.bit_length() >> 3)
    return size + sum(map(getsizeof, key)) if isinstance(key, tuple) else size


def _weigh_shared(key: Hashable, _mask: int) -> int:
    return weigh_entry(key, 0)


def _address_of(view: ContactView) -> Hashable:
    sent = view.fields.get("email_as_sent")
    return (view.fields["email"], sent) if sent else view.fields["email"]


# Core numbers are below 2^53, where equal ones are one number.
_VALUE_KINDS: Final = frozenset({FieldKind.TEXT, FieldKind.CHOICE, FieldKind.NUMBER})
_KEYS: Final[Mapping[FieldKind, Callable[[ContactView], Hashable]]] = {
    FieldKind.TAGS: lambda view: tuple(view.fields["tags"]),
    FieldKind.LISTS: lambda view: tuple(view.lists),
}
