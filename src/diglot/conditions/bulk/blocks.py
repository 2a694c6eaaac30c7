"""A block of contacts as columns: bit i of a mask stands for contact i.

Contacts share most values, so a block first collects who has each value of a field as it is stored, and then
reads each value once in the form that is asked for: it folds `Berlin` once for all who live there.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

from diglot.conditions.bulk.columns import Column, FoldedColumn, KeyColumn, OrderedColumn
from diglot.conditions.contact_view import AttributeView, ContactView
from diglot.conditions.fields import FieldKind, attribute_key, kind_of
from diglot.conditions.index.questions import Form, Reading, number_keys
from diglot.conditions.index.readings import attribute_reader_of, reader_of

# What readers read (a contact or an attribute, which may stand for all that have the same value), and for
# each the mask of the contacts that have the value.
Holders = tuple[Sequence[Any], Sequence[int]]
# Fewer contacts are matched one by one, because a block asks all that conditions ask. Measured with 1,000
# conditions: TODO
MIN_CONTACTS: Final = 32
# Columns of more contacts cost a little less for each, and a thread computes longer before it can be stopped.
MAX_CONTACTS: Final = 1_000
_KEY_FORMS: Final = frozenset({Form.PRESENCE, Form.EXACT, Form.NUMBERS, Form.VALUES, Form.ELEMENTS})
_SHARED_KINDS: Final = frozenset({FieldKind.TEXT, FieldKind.CHOICE, FieldKind.BOOLEAN})


class ContactBlock:
    """Views of contacts of one time zone, with columns that are made when they are first asked.

    A view may be None, for a contact that does not exist, which matches nothing.
    """

    def __init__(self, views: Sequence[ContactView | None]) -> None:
        self._all_views = views
        self._views = [view for view in views if view is not None]
        self._bits = [1 << number for number, view in enumerate(views) if view is not None]
        self.everyone = sum(self._bits)
        self._holders: dict[str, Holders] = {}
        self._columns: dict[Reading, Column | None] = {}

    def select(self, mask: int) -> "ContactBlock":
        """Return a block in which only the contacts of a mask exist, at their places."""
        return ContactBlock(
            [view if mask >> place & 1 else None for place, view in enumerate(self._all_views)]
        )

    def column(self, reading: Reading) -> Column | None:
        """Return the column of a reading, which is None if no contact has the field."""
        if reading not in self._columns:
            self._columns[reading] = self._make_column(reading)
        return self._columns[reading]

    def _make_column(self, reading: Reading) -> Column | None:
        field, form = reading
        if form in (Form.DISTANCE, Form.DAY):
            return self.column(Reading(field, Form.INSTANT))
        holders, masks = self._holders_of(field)
        if not holders:
            return None
        values = map(_reader_of_holders(reading), holders)
        if form in _KEY_FORMS:
            return KeyColumn(values, masks)
        return FoldedColumn(values, masks) if form is Form.FOLDED else OrderedColumn(values, masks)

    def _holders_of(self, field: str) -> Holders:
        holders = self._holders.get(field)
        if holders is None:
            key = attribute_key(field)
            holders = self._collect(field) if key is None else self._collect_attribute(key)
            self._holders[field] = holders
        return holders

    def _collect(self, field: str) -> Holders:
        """Return who holds the values of a core field: of equal texts and tags one contact stands for all."""
        kind = kind_of(field)
        if kind is FieldKind.TAGS:
            return self._collect_tags(field)
        # The address is compared in two columns, and seldom two contacts of a block have the same.
        if kind not in _SHARED_KINDS or field == "email":
            return self._views, self._bits
        stored = "status" if kind is FieldKind.BOOLEAN else field
        values = [view.fields[stored] for view in self._views]
        masks: dict[Any, int] = {}
        for value, bit in zip(values, self._bits, strict=True):
            masks[value] = masks.get(value, 0) | bit
        holder_of = dict(zip(values, self._views, strict=True))
        return [holder_of[value] for value in masks], list(masks.values())

    def _collect_tags(self, field: str) -> Holders:
        """Return contacts with one tag each, because a test of tags asks whether any of them passes."""
        masks: dict[str, int] = {}
        for view, bit in zip(self._views, self._bits, strict=True):
            for tag in view.fields[field]:
                masks[tag] = masks.get(tag, 0) | bit
        return [view.with_fields({field: (tag,)}) for tag in masks], list(masks.values())

    @cached_property
    def _attributes(self) -> dict[str, "_Attribute"]:
        """The values of all attributes that any contact has, by key: a rule may name one that none has."""
        attributes: dict[str, _Attribute] = {}
        for view, bit in zip(self._views, self._bits, strict=True):
            for key, value in view.attributes.items():
                attribute = attributes.get(key)
                if attribute is None:
                    attribute = attributes[key] = _Attribute()
                attribute.add(value, bit)
        return attributes

    def _collect_attribute(self, key: str) -> Holders:
        attribute = self._attributes.get(key)
        if attribute is None:
            return (), ()
        zone = self._views[0].zone
        values, masks = attribute.values_and_masks()
        return [AttributeView(value, zone) for value in values], masks


class _Attribute:
    """The values of an attribute: those of equal texts and equal integers are collected."""

    __slots__ = ("_integers", "_masks", "_others", "_texts")

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}
        # Spelled, because a client can send thousands of numbers with one hash.
        self._integers: dict[str, int] = {}
        self._others: list[Any] = []
        self._masks: list[int] = []

    def add(self, value: Any, bit: int) -> None:
        """Add the value of a contact."""
        if type(value) is str:
            self._texts[value] = self._texts.get(value, 0) | bit
        elif type(value) is int:
            spelled = str(value)
            self._integers[spelled] = self._integers.get(spelled, 0) | bit
        else:
            self._others.append(value)
            self._masks.append(bit)

    def values_and_masks(self) -> tuple[list[Any], list[int]]:
        """Return the values, and the mask of the contacts that have each."""
        values = [*self._texts, *map(int, self._integers), *self._others]
        return values, [*self._texts.values(), *self._integers.values(), *self._masks]


def _reader_of_holders(reading: Reading) -> Callable[[Any], Any]:
    if attribute_key(reading.field) is None:
        return reader_of(reading)
    read = attribute_reader_of(reading.form)
    read_double = _READERS_OF_DOUBLES.get(reading.form)
    if read_double is None:
        return read
    # Most numbers are doubles, which need no derivation.
    return lambda attribute: (read_double if type(attribute.value) is float else read)(attribute)


_READERS_OF_DOUBLES: Final[dict[Form, Callable[[AttributeView], Any]]] = {
    Form.NUMBER: lambda attribute: attribute.value,
    Form.NUMBERS: lambda attribute: number_keys(attribute.value),
}
