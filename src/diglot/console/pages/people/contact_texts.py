"""The values of a contact as texts in a form, and back."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import msgspec

from diglot.api.formatting import whole_if_integral
from diglot.conditions.fields import CATALOGUE, FieldKind
from diglot.conditions.text import parse_number
from diglot.console.templates import WallClock
from diglot.model.contacts import Contact

# What the name of an attribute's text begins with; its text has its type first.
ATTRIBUTE: Final = "attributes."
TYPES: Final = ("text", "number", "yes or no", "list or object")
_TEXT, _NUMBER, _TRUTH, _JSON = TYPES
_TRUTH_WORDS: Final = {"yes": True, "true": True, "no": False, "false": False}
_KINDS: Final = {FieldKind.TEXT: "text", FieldKind.NUMBER: "number", FieldKind.INSTANT: "moment"}
_LINE_ENDS: Final = str.maketrans("", "", "\r\n")
_decode: Final = msgspec.json.Decoder().decode
_MINUTES: Final = len("2026-05-03T14:05")


@dataclass(frozen=True, slots=True)
class EditedField:
    """A field in the form: `input_kind` is text, number or moment."""

    name: str
    input_kind: str
    max_length: int


EDITED: Final = tuple(
    EditedField(one.name, _KINDS[one.kind], one.max_length)
    for one in CATALOGUE
    if one.is_writable and one.kind in _KINDS
)
_NUMBERS: Final = frozenset(one.name for one in EDITED if one.input_kind == "number")


def digest(text: str) -> str:
    """Return a short digest of a text."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


def write_texts(contact: Contact, clock: WallClock) -> dict[str, str]:
    """Return the values of a contact as a form shows them, by name.

    Tags are left out if one of them has several lines, because the form has one on each line.
    """
    texts = {one.name: _write_field(one, getattr(contact, one.name), clock) for one in EDITED}
    texts["email"] = contact.shown_email
    texts["status"] = contact.status
    tags: list[str] = _decode(contact.tags)
    if not any("\n" in tag or "\r" in tag for tag in tags):
        texts["tags"] = "\n".join(tags)
    for key, value in _decode(contact.attributes).items():
        texts[ATTRIBUTE + key] = f"{_type_of(value)}: {_as_lines(say_value(value))}"
    return texts


def split_attribute(text: str) -> tuple[str, str]:
    """Return the type and the value in the text of an attribute."""
    type_, _, value = text.partition(": ")
    return type_, value


def _write_field(one: EditedField, value: Any, clock: WallClock) -> str:
    if value is None:
        return ""
    if one.input_kind == "moment":
        return clock.iso(value)[:_MINUTES]
    if one.input_kind == "number":
        return str(whole_if_integral(value))
    # As a browser has it in a field of one line.
    return str(value).translate(_LINE_ENDS)


def say_value(value: Any) -> str:
    """Return a JSON value as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _as_lines(text: str) -> str:
    """Return a text as a browser sends it from a field of several lines."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _type_of(value: Any) -> str:
    if isinstance(value, str):
        return _TEXT
    if isinstance(value, bool):
        return _TRUTH
    return _NUMBER if isinstance(value, int | float) else _JSON


def read_field(name: str, text: str) -> Any:
    """Return the JSON value that the text of a field means; an empty one clears it."""
    if name == "tags":
        return [line for line in map(str.strip, text.split("\n")) if line]
    if name in {"email", "status"}:
        return text
    if not text.strip():
        return None
    number = parse_number(text.strip()) if name in _NUMBERS else None
    # What is no number is refused with the words of the APIs.
    return text if number is None else number


def read_attribute(type_: str, text: str) -> Any:
    """Return the JSON value of an attribute; raise ValueError with what is wrong."""
    if type_ == _NUMBER:
        number = parse_number(text.strip())
        if number is None:
            raise ValueError("Write a number, such as 3 or 2.5")
        return number
    if type_ == _TRUTH:
        if text.strip().lower() not in _TRUTH_WORDS:
            raise ValueError("Write yes or no")
        return _TRUTH_WORDS[text.strip().lower()]
    if type_ == _JSON:
        try:
            value = _decode(text.encode())
        except msgspec.DecodeError as error:
            raise ValueError('Write JSON, such as ["a", "b"] or {"size": 3}') from error
        if not isinstance(value, list | dict):
            raise ValueError('Write a list, such as ["a", "b"], or an object, such as {"size": 3}')
        return value
    return text
