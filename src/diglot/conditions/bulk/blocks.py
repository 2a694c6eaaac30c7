"""A block of contacts as columns: bit i of a mask stands for contact i.

Contacts share most values, so a block first collects who has each value of a field as it is stored, and then
reads each value once in the form that is asked for: it folds `Berlin` once for all who live there.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Final

from diglot.conditions import text
from diglot.conditions.bulk.columns import Column, FoldedColumn, KeyColumn, OrderedColumn
from diglot.conditions.computed_fields import is_sample, kind_of
from diglot.conditions.contact_view import ContactView
from diglot.conditions.fields import FieldKind, attribute_key
from diglot.conditions.index.questions import IS_SET, FoldedTexts, Form, Reading
from diglot.conditions.index.readings import reader_of, value_reader_of

# What readers read (a contact, a tag, or the value of an attribute, which stands for all that are equal), and
# for each the mask of the contacts that have the value.
Holders = tuple[Sequence[Any], Sequence[int]]
# Columns of more contacts cost a little less for each, and a thread computes longer before it can be stopped.
MAX_CONTACTS: Final = 1_000
# Up to this number of attributes, looking each up costs less than going through all that contacts have.
_FEW_KEYS: Final = 32
_KEY_FORMS: Final = frozenset({Form.PRESENCE, Form.EXACT, Form.NUMBERS, Form.VALUES, Form.ELEMENTS})
# The forms in which core numbers and instants are stored.
_STORED_FORMS: Final = frozenset({Form.NUMBER, Form.INSTANT})
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
        self._keys_asked = 0
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
        if form in _STORED_FORMS and holders is self._views and not is_sample(field):
            # Read without a call for each contact.
            return OrderedColumn([view.fields[field] for view in self._views], masks)
        values = map(self._reader_of(reading), holders)
        if form in _KEY_FORMS:
            return KeyColumn(values, masks)
        return FoldedColumn(values, masks) if form is Form.FOLDED else OrderedColumn(values, masks)

    def _reader_of(self, reading: Reading) -> Callable[[Any], Any]:
        field, form = reading
        if attribute_key(field) is not None:
            return value_reader_of(form, self._views[0].zone)
        return _TAG_READERS[form] if kind_of(field) is FieldKind.TAGS else reader_of(reading)

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
        masks: dict[str, int] = {}
        get = masks.get
        for view, bit in zip(self._views, self._bits, strict=True):
            for tag in view.fields[field]:
                masks[tag] = get(tag, 0) | bit
        return list(masks), list(masks.values())

    def _collect_attribute(self, key: str) -> Holders:
        """Return the values of an attribute: of equal texts, integers and booleans, one stands for all."""
        texts: dict[str, int] = {}
        # By spelling, because a client can send thousands of numbers with one hash.
        spelled: dict[str, int] = {}
        values: dict[str, Any] = {}
        others: list[Any] = []
        masks: list[int] = []
        for value, bit in self._values_of(key):
            if type(value) is str:
                texts[value] = texts.get(value, 0) | bit
            elif isinstance(value, int):
                spelling = repr(value)
                spelled[spelling] = spelled.get(spelling, 0) | bit
                values[spelling] = value
            else:
                others.append(value)
                masks.append(bit)
        holders = (*texts, *values.values(), *others)
        return holders, (*texts.values(), *spelled.values(), *masks)

    def _values_of(self, key: str) -> Sequence[tuple[Any, int]]:
        """Return the values of an attribute, each with the bit of its contact."""
        self._keys_asked += 1
        if self._keys_asked > _FEW_KEYS:
            return self._values_by_key.get(key, ())
        pairs = zip(self._views, self._bits, strict=True)
        return [(view.attributes[key], bit) for view, bit in pairs if key in view.attributes]

    @cached_property
    def _values_by_key(self) -> dict[str, list[tuple[Any, int]]]:
        """The values of all attributes by key, because the conditions may name thousands that no one has."""
        values = defaultdict[str, list[tuple[Any, int]]](list)
        for view, bit in zip(self._views, self._bits, strict=True):
            for key, value in view.attributes.items():
                values[key].append((value, bit))
        return dict(values)


# Every test of tags asks whether any tag passes, so each tag is read alone.
_TAG_READERS: Final[dict[Form, Callable[[str], Any]]] = {
    Form.PRESENCE: lambda _: (IS_SET,),
    Form.EXACT: lambda tag: (text.to_nfc(tag),),
    Form.FOLDED: lambda tag: FoldedTexts((text.fold_case(tag),)),
}
