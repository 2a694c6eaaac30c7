"""Reads a field of a contact in the form that a question compares.

A reader takes a view of a contact and returns a collection of keys, a number, an instant or folded texts,
whichever the form has; None or an empty collection stands for a missing value, of which no test is true.
"""

from collections.abc import Callable, Collection
from operator import attrgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, text
from diglot.conditions.computed.anniversaries import month_day_of
from diglot.conditions.computed.samples import sample_of
from diglot.conditions.computed_fields import Sample, find_computed, kind_of
from diglot.conditions.contact_view import AttributeView, ContactView
from diglot.conditions.fields import FieldKind, attribute_key
from diglot.conditions.index.questions import (
    IS_SET,
    FoldedTexts,
    Form,
    Key,
    Reading,
    number_keys,
    place_of_number,
)

Reader = Callable[[ContactView], Any]
AttributeReader = Callable[[AttributeView], Any]
NO_KEYS: Final[tuple[Key, ...]] = ()
NO_TEXTS: Final = FoldedTexts(())
_SET: Final = (IS_SET,)
_INSTANT_FORMS: Final = (Form.INSTANT, Form.DISTANCE, Form.DAY)


def reader_of(reading: Reading) -> Reader:
    """Return the function that reads a field in a form from a contact."""
    if isinstance(computed := find_computed(reading.field), Sample):
        return _SAMPLE_READERS[reading.form](computed.salt)
    kind = kind_of(reading.field)
    if kind is not FieldKind.ATTRIBUTE:
        return _CORE_READERS[kind, reading.form](reading.field)
    key = attribute_key(reading.field)
    assert key is not None
    read, missing = attribute_reader_of(reading.form), MISSING[reading.form]
    types, read_plain = _PLAIN_READERS.get(reading.form, (_NO_TYPES, read))

    def read_attribute(view: ContactView) -> Any:
        value = view.attributes.get(key)
        if type(value) in types:
            return read_plain(value)
        attribute = view.view_attribute(key)
        return missing if attribute is None else read(attribute)

    return read_attribute


def attribute_reader_of(form: Form) -> AttributeReader:
    """Return the function that reads a custom attribute in a form."""
    return _ATTRIBUTE_READERS[form]


def value_reader_of(form: Form, zone: ZoneInfo) -> Callable[[Any], Any]:
    """Return the function that reads the value of a custom attribute in a form."""
    if form in _INSTANT_FORMS:
        return lambda value: dates.parse_instant(value, zone) if isinstance(value, str) else None
    read = attribute_reader_of(form)
    types, read_plain = _PLAIN_READERS.get(form, (_NO_TYPES, read))

    def read_value(value: Any) -> Any:
        return read_plain(value) if type(value) in types else read(AttributeView(value, zone))

    return read_value


# The value of a field that the contact does not have.
MISSING: Final[dict[Form, Any]] = {
    Form.PRESENCE: NO_KEYS,
    Form.EXACT: NO_KEYS,
    Form.NUMBERS: NO_KEYS,
    Form.VALUES: NO_KEYS,
    Form.ELEMENTS: NO_KEYS,
    Form.NUMBER: None,
    Form.BIG: None,
    Form.INSTANT: None,
    Form.DISTANCE: None,
    Form.DAY: None,
    Form.MONTH_DAY: None,
    Form.JUMPS: None,
    Form.FOLDED: NO_TEXTS,
}


def _read_field(name: str) -> Reader:
    return lambda view: view.fields[name]


def _always_set(_name: str) -> Reader:
    return lambda _view: _SET


def _text_presence(name: str) -> Reader:
    def read(view: ContactView) -> Collection[Key]:
        value = view.field_text(name)
        return NO_KEYS if value is None or text.is_blank(value) else _SET

    return read


def _exact_text(name: str) -> Reader:
    def read(view: ContactView) -> Collection[Key]:
        value: str | None = view.fields[name]
        if value is None:
            return NO_KEYS
        return (value if value.isascii() else text.to_nfc(value),)

    return read


def _folded_text(name: str) -> Reader:
    def read(view: ContactView) -> FoldedTexts:
        sent = view.sent_text(name)
        return NO_TEXTS if sent is None else FoldedTexts((text.fold_case(sent),))

    return read


def _number_keys(name: str) -> Reader:
    def read(view: ContactView) -> Collection[Key]:
        value = view.fields[name]
        return NO_KEYS if value is None else number_keys(value)

    return read


def _month_day(name: str) -> Reader:
    return lambda view: view.month_day(name)


_SAMPLE_READERS: Final[dict[Form, Callable[[str], Reader]]] = {
    Form.NUMBERS: lambda salt: lambda view: number_keys(sample_of(view.id, salt)),
    Form.NUMBER: lambda salt: lambda view: sample_of(view.id, salt),
}
_CORE_READERS: Final[dict[tuple[FieldKind, Form], Callable[[str], Reader]]] = {
    (FieldKind.TEXT, Form.PRESENCE): _text_presence,
    (FieldKind.TEXT, Form.EXACT): _exact_text,
    (FieldKind.TEXT, Form.FOLDED): _folded_text,
    (FieldKind.CHOICE, Form.PRESENCE): _always_set,
    (FieldKind.CHOICE, Form.EXACT): lambda _name: lambda view: (view.fields["status"],),
    (FieldKind.BOOLEAN, Form.PRESENCE): _always_set,
    (FieldKind.BOOLEAN, Form.EXACT): lambda _name: (
        lambda view: ("true",) if view.fields["status"] == "subscribed" else ("false",)
    ),
    (FieldKind.TAGS, Form.PRESENCE): lambda _name: lambda view: _SET if view.exact_tags() else NO_KEYS,
    (FieldKind.TAGS, Form.EXACT): lambda _name: ContactView.exact_tags,
    (FieldKind.TAGS, Form.FOLDED): lambda _name: lambda view: FoldedTexts(view.folded_tags()),
    (FieldKind.LISTS, Form.PRESENCE): lambda _name: lambda view: _SET if view.lists else NO_KEYS,
    (FieldKind.LISTS, Form.EXACT): lambda _name: lambda view: view.lists,
    (FieldKind.SEGMENTS, Form.EXACT): _read_field,
    (FieldKind.NUMBER, Form.NUMBERS): _number_keys,
    (FieldKind.NUMBER, Form.NUMBER): _read_field,
    **{(FieldKind.INSTANT, form): _read_field for form in _INSTANT_FORMS},
    (FieldKind.INSTANT, Form.MONTH_DAY): _month_day,
    (FieldKind.INSTANT, Form.JUMPS): _read_field,
}


def _attribute_numbers(attribute: AttributeView) -> Collection[Key]:
    return [key for number in attribute.numbers for key in number_keys(number)]


def _attribute_values(attribute: AttributeView) -> Collection[Key]:
    return (*attribute.texts, *_attribute_numbers(attribute))


def _attribute_elements(attribute: AttributeView) -> Collection[Key]:
    return _attribute_values(attribute) if attribute.is_array else NO_KEYS


def _attribute_place(attribute: AttributeView) -> tuple[bool, float] | None:
    if attribute.is_array or not attribute.numbers:
        return None
    return place_of_number(attribute.numbers[0])


def _attribute_folded(attribute: AttributeView) -> FoldedTexts:
    return FoldedTexts(attribute.folded_texts, attribute.texts if attribute.is_array else None)


def _attribute_month_day(attribute: AttributeView) -> int | None:
    return None if attribute.instant is None else month_day_of(attribute.instant, attribute.zone)


_ATTRIBUTE_READERS: Final[dict[Form, AttributeReader]] = {
    Form.PRESENCE: lambda attribute: _SET if attribute.is_set else NO_KEYS,
    Form.EXACT: attrgetter("texts"),
    Form.NUMBERS: _attribute_numbers,
    Form.VALUES: _attribute_values,
    Form.ELEMENTS: _attribute_elements,
    Form.NUMBER: attrgetter("double"),
    Form.BIG: _attribute_place,
    **dict.fromkeys(_INSTANT_FORMS, attrgetter("instant")),
    Form.MONTH_DAY: _attribute_month_day,
    Form.FOLDED: _attribute_folded,
}


# Plain values are read without a view of the attribute, which would take 1 to 3 us: numbers and texts.
_NO_TYPES: Final = frozenset[type]()
_NUMBERS: Final = frozenset[type]({int, float})
_TEXTS: Final = frozenset[type]({str})
_PLAIN_READERS: Final[dict[Form, tuple[frozenset[type], Callable[[Any], Any]]]] = {
    Form.PRESENCE: (_TEXTS, lambda value: NO_KEYS if text.is_blank(value) else _SET),
    Form.EXACT: (_TEXTS, lambda value: (value,) if value.isascii() else (text.to_nfc(value),)),
    Form.NUMBERS: (_NUMBERS, number_keys),
    Form.NUMBER: (_NUMBERS, float),
    Form.FOLDED: (_TEXTS, lambda value: FoldedTexts((text.fold_case(value),))),
}
