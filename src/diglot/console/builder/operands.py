"""Which operators and types of values a field takes, and the values as text of inputs and as JSON."""

import re
from typing import Any, Final

import msgspec
from msgspec import UNSET

from diglot.api.rules.words import Words
from diglot.conditions import dates, tree
from diglot.conditions.fields import STATUSES, FieldKind
from diglot.conditions.operands import DATE_OPS, OPS_BY_KIND, ORDER_OPS, RELATIVE_OPS
from diglot.conditions.text import parse_number
from diglot.conditions.tree import Op
from diglot.console.builder.fields import PROPERTY, find_kind
from diglot.console.builder.nodes import ChosenField
from diglot.model.ids import parse_id

# In the order in which people look for them.
_ORDERED_WORDS: Final = (
    *("equals", "not_equals", "in", "not_in", "contains", "not_contains", "starts_with", "ends_with"),
    *("gte", "gt", "lte", "lt", "in_last_days", "more_than_days_ago", "exactly_days_ago", "in_next_days"),
    *("in_last_hours", "more_than_hours_ago", "in_next_hours", "before", "after", "is_set", "is_empty"),
)
# What people mean most often, so a new rule on such a field begins with it.
_FIRST_WORDS: Final = {
    FieldKind.TAGS: "contains",
    FieldKind.NUMBER: "gte",
    FieldKind.INSTANT: "in_last_days",
    FieldKind.SEGMENTS: "in",
    FieldKind.LISTS: "in",
}
_TYPES_BY_KIND: Final = {
    FieldKind.TEXT: ("text",),
    FieldKind.CHOICE: ("status",),
    FieldKind.BOOLEAN: ("boolean",),
    FieldKind.TAGS: ("tag",),
    FieldKind.LISTS: ("list",),
    FieldKind.NUMBER: ("number",),
    FieldKind.INSTANT: ("day", "moment"),
    FieldKind.SEGMENTS: ("segment",),
}
TYPE_LABELS: Final = {
    "text": "text",
    "number": "number",
    "boolean": "yes or no",
    "day": "day",
    "moment": "day with time",
}
# Values of these types are chosen, not typed.
CHOSEN_TYPES: Final = frozenset({"status", "boolean", "list", "segment"})
_BOOLEANS: Final = {"true": True, "false": False}
_LINE_ENDS: Final = re.compile(r"[\r\n]")
_JSON_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


def list_words(chosen: ChosenField) -> list[str]:
    """Return the canonical words of the operators that a field takes."""
    allowed = OPS_BY_KIND[find_kind(chosen)]
    if chosen.family == PROPERTY:
        allowed = allowed - RELATIVE_OPS
    return [word for word in _ORDERED_WORDS if tree.OPERATOR_WORDS[word][0] in allowed]


def first_word(chosen: ChosenField) -> str:
    """Return the operator that a new rule on a field has."""
    return _FIRST_WORDS.get(find_kind(chosen), "equals")


def is_list(word: str) -> bool:
    """Tell whether an operator takes a list of values."""
    return word in ("in", "not_in")


def list_types(chosen: ChosenField, word: str) -> tuple[str, ...]:
    """Return the types that the values of a rule may have; none if the operator takes no value."""
    op, kind = tree.OPERATOR_WORDS[word][0], find_kind(chosen)
    if op is Op.IS_SET:
        return ()
    if op in RELATIVE_OPS:
        return ("count",)
    if kind is not FieldKind.ATTRIBUTE:
        return _TYPES_BY_KIND[kind]
    if op in DATE_OPS:
        return ("day", "moment")
    if op in ORDER_OPS:
        return ("number", "day", "moment")
    return ("text",) if op in (Op.STARTS_WITH, Op.ENDS_WITH) else ("text", "number", "boolean")


def write_value(type_: str, text: str, words: Words) -> Any:
    """Return the JSON value that an input means, `UNSET` if it is blank; what does not fit stays text."""
    if type_ in ("text", "tag"):
        return text or UNSET
    stripped = text.strip()
    if not stripped:
        return UNSET
    if type_ in ("number", "count"):
        return _read_number(stripped)
    if type_ == "boolean":
        return _BOOLEANS.get(stripped, stripped)
    if type_ == "segment":
        id_ = parse_id(stripped)
        return stripped if id_ is None else words.format_segment_id(id_)
    return stripped


def _read_number(text: str) -> Any:
    if not _JSON_NUMBER.fullmatch(text):
        number = parse_number(text)
        return text if number is None else number
    try:
        return _decode(text)
    except msgspec.ValidationError:
        return text


def find_value_fault(type_: str, text: str) -> str | None:
    """Return why a text that is not blank has another type than was chosen; None if it fits.

    An attribute takes every type, so the check would take a text that is no number as text.
    """
    stripped = text.strip()
    if not stripped:
        return None
    if type_ == "number" and isinstance(_read_number(stripped), str):
        return "Expected a number"
    if type_ == "boolean" and stripped not in _BOOLEANS:
        return "Choose yes or no"
    is_date = type_ in ("day", "moment")
    return "Expected a date, such as 2026-01-31" if is_date and dates.parse(stripped) is None else None


def read_value(type_: str, value: Any, words: Words) -> str | None:
    """Return the text of an input for a JSON value; None if an input of the type cannot hold it."""
    text = value if isinstance(value, str) else _encode(value).decode()
    if type_ == "segment":
        text = parse_id(text) or text
    if _LINE_ENDS.search(text) or not _fits_choices(type_, text) or find_value_fault(type_, text):
        return None
    if type_ == "number" and isinstance(value, str):
        return None
    again = write_value(type_, text, words)
    return text if again is not UNSET and _encode(again) == _encode(value) else None


def _fits_choices(type_: str, text: str) -> bool:
    """Tell whether the input of a type shows a text as it is."""
    if type_ == "day":
        parsed = dates.parse(text)
        return parsed is not None and parsed.is_date_only
    if type_ == "status":
        return text in STATUSES
    return type_ != "boolean" or text in _BOOLEANS


def find_type(types: tuple[str, ...], values: list[Any], words: Words) -> tuple[str, tuple[str, ...]] | None:
    """Return the first type whose inputs can hold all values, with their texts; None if there is none."""
    for type_ in types:
        texts = [read_value(type_, value, words) for value in values]
        if None not in texts:
            return type_, tuple(text for text in texts if text is not None)
    return None
