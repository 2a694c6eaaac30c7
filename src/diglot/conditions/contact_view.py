"""A contact as conditions read it: what is compared of it, derived when it is first asked for.

It holds the same forms that the storage writes into its derived columns: normal text, folds, spelled scalars,
numbers, instants (semantics 4, 11 to 15).
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, text

BIG_INTEGER_FROM: Final = 2**53
_SCALAR_TYPES: Final = (str, int, float)


def is_big_integer(value: float) -> bool:
    """Tell whether a number is an integer that its double may not hold exactly."""
    return isinstance(value, int) and abs(value) >= BIG_INTEGER_FROM


class AttributeView:
    """The value of a custom attribute: one scalar, or the scalars in an array; derived when asked for.

    `spelled` and `folds` are its scalars as text, `numbers` those that are numbers, `double` the one of a
    scalar, `instant` what a text says of a date.
    """

    __slots__ = ("array", "double", "folds", "instant", "is_set", "numbers", "spelled", "value", "zone")

    def __init__(self, value: Any, zone: ZoneInfo) -> None:
        self.value = value
        self.zone = zone
        self.array = isinstance(value, list)

    def __getattr__(self, name: str) -> Any:
        found = _DERIVATIONS[name](self)
        setattr(self, name, found)
        return found

    def list_scalars(self) -> list[str | int | float]:
        """Return the scalar, or those in the array."""
        if not self.array:
            return [self.value] if isinstance(self.value, _SCALAR_TYPES) else []
        return [one for one in self.value if isinstance(one, _SCALAR_TYPES)]


def _derive_numbers(attribute: AttributeView) -> tuple[int | float, ...]:
    return tuple(number for one in attribute.list_scalars() if (number := _number_of_scalar(one)) is not None)


def _derive_double(attribute: AttributeView) -> float | None:
    return None if attribute.array or not attribute.numbers else float(attribute.numbers[0])


def _derive_is_set(attribute: AttributeView) -> bool:
    value = attribute.value
    blank = isinstance(value, str) and text.is_blank(value)
    return not blank and value is not None and value not in ([], {})


def _derive_instant(attribute: AttributeView) -> int | None:
    moment = dates.parse(attribute.value) if isinstance(attribute.value, str) else None
    return None if moment is None else moment.to_instant(attribute.zone)


_DERIVATIONS: Final[Mapping[str, Callable[[AttributeView], Any]]] = {
    "spelled": lambda attribute: tuple(map(text.scalar_to_text, attribute.list_scalars())),
    "folds": lambda attribute: tuple(map(text.fold_case, attribute.spelled)),
    "numbers": _derive_numbers,
    "double": _derive_double,
    "is_set": _derive_is_set,
    "instant": _derive_instant,
}


def _number_of_scalar(value: str | float) -> int | float | None:
    if isinstance(value, str):
        return text.parse_number(value)
    return None if isinstance(value, bool) else value


class ContactView:
    """One contact.

    `fields` are its catalogued fields (instants in microseconds, tags as a list), `attributes` its custom
    attributes decoded, `lists` the ids of the static lists it is on.
    """

    __slots__ = (
        "_attributes",
        "_derived",
        "_folds",
        "_tag_folds",
        "_tags",
        "_texts",
        "_zone",
        "fields",
        "lists",
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
        self._attributes = attributes
        self._zone = zone
        self._derived: dict[str, Any] = {}
        # Forms of texts and tags are derived once, because each function over some segments reads them.
        self._texts: dict[str, str | None] = {}
        self._folds: dict[str, str | None] = {}
        self._tags: frozenset[str] | None = None
        self._tag_folds: tuple[str, ...] | None = None

    def with_fields(self, fields: Mapping[str, Any]) -> "ContactView":
        """Return the contact with other fields and the same attributes: what is derived of them is shared."""
        other = ContactView(fields, self._attributes, self.lists, self._zone)
        other._derived = self._derived
        return other

    def text(self, name: str) -> str | None:
        """Return a text field in normal form."""
        if name not in self._texts:
            value: str | None = self.fields[name]
            self._texts[name] = None if value is None else text.to_nfc(value)
        return self._texts[name]

    def fold(self, name: str) -> str | None:
        """Return a text field folded."""
        if name not in self._folds:
            value: str | None = self.fields[name]
            self._folds[name] = None if value is None else text.fold_case(value)
        return self._folds[name]

    def tags(self) -> frozenset[str]:
        """Return the tags in normal form."""
        if self._tags is None:
            self._tags = frozenset(map(text.to_nfc, self.fields["tags"]))
        return self._tags

    def tag_folds(self) -> tuple[str, ...]:
        """Return the tags folded."""
        if self._tag_folds is None:
            self._tag_folds = tuple(map(text.fold_case, self.fields["tags"]))
        return self._tag_folds

    def attribute(self, key: str) -> AttributeView | None:
        """Return a custom attribute, or None where there is none."""
        if key not in self._attributes:
            return None
        found: AttributeView | None = self._derived.get(key)
        if found is None:
            found = self._derived[key] = AttributeView(self._attributes[key], self._zone)
        return found
