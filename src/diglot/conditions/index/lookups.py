"""One look-up for each reading: from a contact to the mask of the gates that this field of it rules out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from diglot.conditions.fields import attribute_key
from diglot.conditions.index.asked import Ask, Asked, Setting
from diglot.conditions.index.day_lookup import AnniversaryLookup, DayLookup
from diglot.conditions.index.key_lookup import KeyLookup
from diglot.conditions.index.parts import PartLookup
from diglot.conditions.index.questions import (
    MOVING_FORMS,
    AnyOf,
    HasPart,
    OnAnniversary,
    OnDay,
    Reading,
    Within,
)
from diglot.conditions.index.spans import SpanLookup


class _LookupOfKind(Protocol):
    """A look-up of tests of one kind."""

    @property
    def ask(self) -> Ask: ...
    @property
    def missing(self) -> Callable[[], int]: ...


_LOOKUPS: Final[Mapping[type, Callable[[Reading, Sequence[Asked], Setting], _LookupOfKind]]] = {
    AnyOf: KeyLookup,
    Within: SpanLookup,
    OnDay: DayLookup,
    OnAnniversary: AnniversaryLookup,
    HasPart: PartLookup,
}


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
    made = _LOOKUPS[type(asked[0].test)](reading, asked, setting)
    key, is_moving = attribute_key(reading.field), reading.form in MOVING_FORMS
    return Lookup(reading.field, key, is_moving, made.ask, made.missing)
