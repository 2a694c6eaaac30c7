"""A contact as conditions read it: the values that predicates compare, derived at the first read.

A view derives the same forms that the storage writes into its derived columns: text in normal form, folded
text, scalars as text, numbers, instants (semantics 4, 11 to 15).
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, text
from diglot.conditions.computed.anniversaries import month_day_of
from diglot.conditions.events.fields import MAX_CACHED_LENGTH, is_event_field, parse_event_field
from diglot.conditions.fields import attribute_key

BIG_INTEGER_FROM: Final = 2**53
_SCALAR_TYPES: Final = (str, int, float)


def is_big_integer(value: float) -> bool:
    """Tell whether a number is an integer that a double may not hold exactly."""
    return isinstance(value, int) and abs(value) >= BIG_INTEGER_FROM


class AttributeView:
    """The value of a custom attribute: one scalar or an array of them; its forms are derived at first read.

    `texts` and `folded_texts` are the scalars as text, `numbers` the numeric ones, `double` the number of a
    single scalar, and `instant` the instant (microseconds) of a text that holds a date.
    """

    __slots__ = (
        "double",
        "folded_texts",
        "instant",
        "is_array",
        "is_set",
        "numbers",
        "texts",
        "value",
        "zone",
    )

    def __init__(self, value: Any, zone: ZoneInfo) -> None:
        self.value = value
        self.zone = zone
        self.is_array = isinstance(value, list)

    def __getattr__(self, name: str) -> Any:
        derived = _DERIVATIONS[name](self)
        setattr(self, name, derived)
        return derived

    def list_scalars(self) -> list[str | int | float]:
        """Return the scalar, or the scalars in the array."""
        if not self.is_array:
            return [self.value] if isinstance(self.value, _SCALAR_TYPES) else []
        return [item for item in self.value if isinstance(item, _SCALAR_TYPES)]


def _derive_texts(attribute: AttributeView) -> tuple[str, ...]:
    if type(attribute.value) is str:
        return (text.to_nfc(attribute.value),)
    return tuple(map(text.scalar_to_text, attribute.list_scalars()))


def _derive_numbers(attribute: AttributeView) -> tuple[int | float, ...]:
    return tuple(
        number for scalar in attribute.list_scalars() if (number := _number_of_scalar(scalar)) is not None
    )


def _derive_double(attribute: AttributeView) -> float | None:
    return None if attribute.is_array or not attribute.numbers else float(attribute.numbers[0])


def _derive_is_set(attribute: AttributeView) -> bool:
    value = attribute.value
    blank = isinstance(value, str) and text.is_blank(value)
    return not blank and value is not None and value not in ([], {})


def _derive_instant(attribute: AttributeView) -> int | None:
    value = attribute.value
    return dates.parse_instant(value, attribute.zone) if isinstance(value, str) else None


_DERIVATIONS: Final[Mapping[str, Callable[[AttributeView], Any]]] = {
    "texts": _derive_texts,
    "folded_texts": lambda attribute: tuple(map(text.fold_case, attribute.texts)),
    "numbers": _derive_numbers,
    "double": _derive_double,
    "is_set": _derive_is_set,
    "instant": _derive_instant,
}


def _number_of_scalar(value: str | float) -> int | float | None:
    if isinstance(value, str):
        return text.parse_number(value)
    return None if isinstance(value, bool) else value


class ContactFields(dict[str, Any]):
    """The values of fields by their names; a contact without events has no entries for fields of events."""

    def __missing__(self, name: str) -> Any:
        return _read_short(name) if len(name) <= MAX_CACHED_LENGTH else _read_without_events(name)


def _read_without_events(name: str) -> Any:
    """Return the value that a contact without events has in a field of events; raise KeyError for others."""
    if is_event_field(name):
        return parse_event_field(name).read(None)
    raise KeyError(name)


# An index asks each contact for all fields of events that its conditions have.
_read_short: Final = lru_cache(maxsize=4_096)(_read_without_events)


class ContactView:
    """A contact, before or after a write.

    `fields` are its core fields (instants in microseconds, tags as a list), its id, the address as sent, and
    the computed fields of events and `segments` that conditions name. `attributes` are its decoded custom
    attributes, `lists` the ids of the static lists that contain it.
    """

    __slots__ = (
        "_derived",
        "_folded",
        "_folded_tags",
        "_tags",
        "_texts",
        "attributes",
        "fields",
        "lists",
        "zone",
    )

    def __init__(
        self,
        fields: Mapping[str, Any],
        attributes: Mapping[str, Any],
        lists: Collection[str],
        zone: ZoneInfo,
    ) -> None:
        self.fields = fields
        self.lists = lists
        self.attributes = attributes
        self.zone = zone
        self._derived: dict[str, Any] = {}
        # Derived once, because several look-ups read them.
        self._texts: dict[str, str | None] = {}
        self._folded: dict[str, str | None] = {}
        self._tags: frozenset[str] | None = None
        self._folded_tags: tuple[str, ...] | None = None

    def with_fields(self, fields: Mapping[str, Any]) -> "ContactView":
        """Return the contact with other fields and the same attributes, sharing their derived forms."""
        other = ContactView(fields, self.attributes, self.lists, self.zone)
        other._derived = self._derived
        return other

    def field_text(self, name: str) -> str | None:
        """Return a text field in normal form."""
        if name not in self._texts:
            value: str | None = self.fields[name]
            self._texts[name] = None if value is None else text.to_nfc(value)
        return self._texts[name]

    def sent_text(self, name: str) -> str | None:
        """Return a text field as it was sent, in which parts are searched."""
        sent = self.fields.get("email_as_sent") if name == "email" else None
        value: str | None = sent or self.fields[name]
        return value

    def folded_text(self, name: str) -> str | None:
        """Return a text field folded."""
        if name not in self._folded:
            value = self.sent_text(name)
            self._folded[name] = None if value is None else text.fold_case(value)
        return self._folded[name]

    def exact_tags(self) -> frozenset[str]:
        """Return the tags in normal form."""
        if self._tags is None:
            self._tags = frozenset(map(text.to_nfc, self.fields["tags"]))
        return self._tags

    def folded_tags(self) -> tuple[str, ...]:
        """Return the tags folded."""
        if self._folded_tags is None:
            self._folded_tags = tuple(map(text.fold_case, self.fields["tags"]))
        return self._folded_tags

    def attribute_keys(self) -> tuple[str, ...]:
        """Return the keys of the custom attributes that the contact has."""
        return tuple(self.attributes)

    @property
    def id(self) -> str:
        """The contact's UUID in lower case."""
        id_: str = self.fields["id"]
        return id_

    def month_day(self, field: str) -> int | None:
        """Return the month-day of a core instant or an attribute, None if it holds no date."""
        key = attribute_key(field)
        if key is None:
            instant = self.fields[field]
        else:
            attribute = self.view_attribute(key)
            instant = None if attribute is None else attribute.instant
        return None if instant is None else month_day_of(instant, self.zone)

    def view_attribute(self, key: str) -> AttributeView | None:
        """Return a custom attribute, or None if the contact does not have it."""
        if key not in self.attributes:
            return None
        view: AttributeView | None = self._derived.get(key)
        if view is None:
            view = self._derived[key] = AttributeView(self.attributes[key], self.zone)
        return view
