"""The catalogue of computed fields: their names, what each reads, and its kind.

A field name that begins as a row of `_PARSERS` says is a computed field, in every dialect. An attribute of
such a name is reached as `attributes.NAME`. The canonical names are those that `name` returns.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import ClassVar, Final

import msgspec

from diglot.conditions.events.fields import (
    EVENT_PREFIX,
    MAX_CACHED_LENGTH,
    EventField,
    find_event_field_fault,
    is_event_field,
    normalize_event_field,
    parse_event_field,
)
from diglot.conditions.fields import (
    FIELDS,
    FieldKind,
    attribute_key,
    find_key_fault,
    resolve_field,
)
from diglot.conditions.text import normalize_name

SAMPLE: Final = "sample"
SEGMENTS: Final = "segments"
ANNIVERSARY_PREFIX: Final = "anniversary."
_SAMPLE_PREFIX: Final = "sample."
# As documents name the computed fields.
PATTERNS: Final = (
    "segments",
    "sample",
    "sample.SALT",
    "anniversary.FIELD",
    "events.NAME.count",
    "events.NAME.count.WINDOW",
    "events.NAME.first_at",
    "events.NAME.last_at",
    "events.NAME.sum.PROPERTY",
    "events.NAME.sum.PROPERTY.WINDOW",
)
EXAMPLES: Final = ("sample.holdout", "anniversary.created_at", "events.purchase.count.30d")


class FieldNameError(Exception):
    """The name is no field; the message says why."""


class Sample(msgspec.Struct, frozen=True):
    """`sample` and `sample.SALT`: a number in [0, 100) that is constant for a contact and a salt."""

    salt: str = ""
    kind: ClassVar = FieldKind.NUMBER

    @property
    def name(self) -> str:
        """The canonical name."""
        return f"{_SAMPLE_PREFIX}{self.salt}" if self.salt else SAMPLE


class Anniversary(msgspec.Struct, frozen=True):
    """`anniversary.FIELD`: the days until the month and day of FIELD come round again.

    `source` is the canonical name of FIELD, a catalogued instant or a custom attribute.
    """

    source: str
    kind: ClassVar = FieldKind.NUMBER

    @property
    def name(self) -> str:
        """The canonical name."""
        return f"{ANNIVERSARY_PREFIX}{self.source}"


class SegmentField(msgspec.Struct, frozen=True):
    """`segments`: the segments that a contact is a member of.

    Rules name them by their ids. Conditions that are evaluated have only static segments, by their numbers:
    see `analysis/segment_references`.
    """

    kind: ClassVar = FieldKind.SEGMENTS
    name: ClassVar = SEGMENTS


ComputedField = Sample | Anniversary | EventField | SegmentField


def _parse_salt(rest: str) -> Sample:
    salt = normalize_name(rest)
    if (fault := find_key_fault(salt)) is not None:
        raise FieldNameError(f"After `sample.` comes a salt: {fault}")
    return Sample(salt)


def _parse_anniversary(rest: str) -> Anniversary:
    source = None if is_computed(rest) else resolve_field(rest)
    if source is None or (source in FIELDS and FIELDS[source].kind is not FieldKind.INSTANT):
        raise FieldNameError(f"After `{ANNIVERSARY_PREFIX}` comes a field that holds a date")
    _check_key(source)
    return Anniversary(source)


# By the whole name, or by its beginning if that ends in a dot; each takes what follows.
_PARSERS: Final[dict[str, Callable[[str], ComputedField]]] = {
    SEGMENTS: lambda _: SegmentField(),
    SAMPLE: lambda _: Sample(),
    _SAMPLE_PREFIX: _parse_salt,
    ANNIVERSARY_PREFIX: _parse_anniversary,
    EVENT_PREFIX: lambda rest: parse_event_field(EVENT_PREFIX + rest),
}


def _find_beginning(name: str) -> str | None:
    for beginning in _PARSERS:
        if name == beginning or (beginning.endswith(".") and name.startswith(beginning)):
            return beginning
    return None


def is_computed(name: str) -> bool:
    """Tell whether a name, as sent or canonical, is that of a computed field, also of a malformed one."""
    return _find_beginning(name) is not None


def is_sample(name: str) -> bool:
    """Tell whether a canonical name is that of a sample, which views of contacts do not hold."""
    return name == SAMPLE or name.startswith(_SAMPLE_PREFIX)


def find_computed(name: str) -> ComputedField | None:
    """Return the computed field of a name, as sent or canonical; None if the name is none of these.

    Raise `FieldNameError` for a malformed name; one of events has to be canonical.
    """
    return _find_short(name) if len(name) <= MAX_CACHED_LENGTH else _find(name)


def _find(name: str) -> ComputedField | None:
    beginning = _find_beginning(name)
    return None if beginning is None else _PARSERS[beginning](name.removeprefix(beginning))


_find_short: Final = lru_cache(maxsize=4_096)(_find)


def resolve_name(spelling: str) -> str:
    """Return the canonical name of any field; raise `FieldNameError` for a malformed name."""
    if is_event_field(spelling):
        return _resolve_event_field(spelling)
    if (computed := find_computed(spelling)) is not None:
        assert not isinstance(computed, EventField)
        return computed.name
    name = resolve_field(spelling)
    _check_key(name)
    return name


def _resolve_event_field(spelling: str) -> str:
    name = normalize_event_field(spelling)
    if (fault := find_event_field_fault(name)) is not None:
        raise FieldNameError(fault)
    return name


def _check_key(name: str) -> None:
    key = attribute_key(name)
    if key is not None and (fault := find_key_fault(key)) is not None:
        raise FieldNameError(fault)


def kind_of(name: str) -> FieldKind:
    """Return the kind of any field by its canonical name."""
    if name in FIELDS:
        return FIELDS[name].kind
    computed = find_computed(name)
    return FieldKind.ATTRIBUTE if computed is None else computed.kind


def source_of(name: str) -> str:
    """Return the stored field that a field reads, by canonical names: itself unless it is computed.

    What is computed of the contact's id alone, which never changes, reads only itself.
    """
    computed = find_computed(name)
    return computed.source if isinstance(computed, Anniversary) else name


def write_name(name: str, attribute_prefix: str) -> str:
    """Return the name of a field as a dialect writes it, given its prefix of attributes."""
    if (key := attribute_key(name)) is not None:
        return attribute_prefix + key
    source = source_of(name)
    return name if source == name else ANNIVERSARY_PREFIX + write_name(source, attribute_prefix)
