"""Typed operands: what a JSON value means for a field and an operator, or why it does not fit.

Sections 10, 11, 13, 14 and 16 of the semantics. `operand` raises `Unfit`; the caller knows the path.
"""

import re
from collections.abc import Callable
from typing import Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, text
from diglot.conditions.fields import STATUS_ALIASES, STATUSES, Kind
from diglot.conditions.tree import Boolean, Day, Days, Instant, Number, Op, Scalar, Text

LONGEST_TEXT: Final = 1_000
MOST_DAYS: Final = 36_500

DAY_OPS: Final = frozenset({Op.IN_LAST_DAYS, Op.MORE_THAN_DAYS_AGO, Op.EXACTLY_DAYS_AGO})
ORDER_OPS: Final = frozenset({Op.GT, Op.GTE, Op.LT, Op.LTE})
MOMENT_OPS: Final = frozenset({Op.BEFORE, Op.AFTER})
PART_OPS: Final = frozenset({Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH})
_EVERY_KIND: Final = frozenset({Op.EQUALS, Op.IN, Op.IS_SET})

OPS: Final = {
    Kind.TEXT: _EVERY_KIND | PART_OPS,
    Kind.CHOICE: _EVERY_KIND,
    Kind.BOOLEAN: _EVERY_KIND,
    Kind.TAGS: _EVERY_KIND | PART_OPS,
    Kind.LISTS: _EVERY_KIND | PART_OPS,
    Kind.NUMBER: _EVERY_KIND | ORDER_OPS,
    Kind.INSTANT: _EVERY_KIND | ORDER_OPS | MOMENT_OPS | DAY_OPS,
    Kind.ATTRIBUTE: frozenset(Op),
}

_DAYS = re.compile(r"[0-9]{1,5}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NOT_TEXT = re.compile(r"[\x00\ud800-\udfff]")


class Unfit(Exception):
    """The value does not fit the field and the operator; the text says why."""


def json_type(value: object) -> str:
    """Name the JSON type of a decoded value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "undefined")


def expected(what: str, value: object) -> Unfit:
    """Say which JSON type was expected in place of the given one."""
    return Unfit(f"Expected {what}, received {json_type(value)}")


def text_fault(value: str) -> str | None:
    """Say what no string may hold, or None: U+0000 and lone surrogates (semantics 17)."""
    return "Text holds no U+0000 and no lone surrogate" if _NOT_TEXT.search(value) else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise expected("string", value)
    if (fault := text_fault(value)) is not None:
        raise Unfit(fault)
    if len(value) > LONGEST_TEXT:
        raise Unfit(f"String must contain at most {LONGEST_TEXT} character(s)")
    return value


def _part(value: object, op: Op) -> str:
    found = _text(value)
    if op in PART_OPS and not found:
        raise Unfit("String must contain at least 1 character(s)")
    return text.nfc(found)


def _number(value: object) -> Number:
    if isinstance(value, str):
        read = text.numeric(_text(value))
        if read is None:
            raise Unfit("Expected number, received string")
        return Number(read)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise expected("number", value)
    if not text.number_fits(value):
        raise Unfit("Number is out of range")
    return Number(value)


def _boolean(value: object) -> Boolean:
    if isinstance(value, bool):
        return Boolean(value)
    if value in ("true", "false"):
        return Boolean(value == "true")
    raise expected("boolean", value)


def _moment(value: object, zone: ZoneInfo) -> Day | Instant:
    found = dates.read(_text(value))
    if found is None:
        raise Unfit("Expected a date (YYYY-MM-DD) or an instant (YYYY-MM-DDTHH:MM:SSZ)")
    return Day(found.day.isoformat()) if found.bare else Instant(found.instant(zone))


def _status(value: object) -> Text:
    found = STATUS_ALIASES.get(value, value) if isinstance(value, str) else value
    if not isinstance(found, str):
        raise expected("string", found)
    if found not in STATUSES:
        options = " | ".join(f"'{status}'" for status in STATUSES)
        raise Unfit(f"Invalid enum value. Expected {options}, received '{_text(found)}'")
    return Text(found)


def _list_id(value: object) -> Text:
    found = _text(value).lower()
    if not _UUID.fullmatch(found):
        raise Unfit("Invalid uuid")
    return Text(found)


def _attribute(value: object, op: Op, zone: ZoneInfo) -> Scalar:
    if op in MOMENT_OPS:
        return _moment(value, zone)
    if op in ORDER_OPS:
        return _ordered(value, zone)
    if op in (Op.STARTS_WITH, Op.ENDS_WITH) or isinstance(value, str):
        return Text(_part(value, op))
    if isinstance(value, bool):
        return Boolean(value)
    if isinstance(value, int | float):
        return _number(value)
    raise expected("string, number or boolean", value)


def _ordered(value: object, zone: ZoneInfo) -> Number | Day | Instant:
    if not isinstance(value, str):
        return _number(value)
    if dates.read(_text(value)) is not None:
        return _moment(value, zone)
    if (read := text.numeric(value)) is None:
        raise Unfit("Expected a number, a date or an instant")
    return Number(read)


_READERS: Final[dict[Kind, Callable[[object, Op, ZoneInfo], Scalar]]] = {
    Kind.TEXT: lambda value, op, zone: Text(_part(value, op)),
    Kind.CHOICE: lambda value, op, zone: _status(value),
    Kind.BOOLEAN: lambda value, op, zone: _boolean(value),
    Kind.TAGS: lambda value, op, zone: Text(_part(value, op)),
    Kind.LISTS: lambda value, op, zone: _list_id(value),
    Kind.NUMBER: lambda value, op, zone: _number(value),
    Kind.INSTANT: lambda value, op, zone: _moment(value, zone),
    Kind.ATTRIBUTE: _attribute,
}


def scalar(field: str, kind: Kind, op: Op, value: object, zone: ZoneInfo) -> Scalar:
    """Return one value as the operand of a field and an operator; raise `Unfit`."""
    found = _READERS[kind](value, op, zone)
    if field == "email" and isinstance(found, Text):
        return Text(text.email_form(found.value))
    return found


def days(value: object) -> Days:
    """Return a number of days: an integer 0 to 36,500, or its text; raise `Unfit`."""
    if isinstance(value, str) and _DAYS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unfit(f"Expected integer, received {json_type(value)}")
    if not 0 <= value <= MOST_DAYS:
        raise Unfit(f"Number of days must be between 0 and {MOST_DAYS}")
    return Days(value)
