"""Typed operands: converts a JSON value to the operand of a field and an operator, or rejects it.

See semantics 10, 11, 13, 14, 16 and 34. `read_scalar` and `read_duration` raise `OperandError`; the caller
adds the path.
"""

import re
from collections.abc import Callable
from typing import Final

from diglot.conditions import addresses, dates, text
from diglot.conditions.fields import STATUS_ALIASES, STATUSES, FieldKind
from diglot.conditions.tree import (
    Boolean,
    Date,
    Day,
    Days,
    Duration,
    Hours,
    Instant,
    LocalInstant,
    Number,
    Op,
    Scalar,
    Text,
)

MAX_TEXT_LENGTH: Final = 1_000
MAX_DAYS: Final = 36_500
MAX_HOURS: Final = 24 * MAX_DAYS

DAY_OPS: Final = frozenset({Op.IN_LAST_DAYS, Op.MORE_THAN_DAYS_AGO, Op.EXACTLY_DAYS_AGO, Op.IN_NEXT_DAYS})
HOUR_OPS: Final = frozenset({Op.IN_LAST_HOURS, Op.MORE_THAN_HOURS_AGO, Op.IN_NEXT_HOURS})
# The operators that compare with now.
RELATIVE_OPS: Final = DAY_OPS | HOUR_OPS
ORDER_OPS: Final = frozenset({Op.GT, Op.GTE, Op.LT, Op.LTE})
DATE_OPS: Final = frozenset({Op.BEFORE, Op.AFTER})
SUBSTRING_OPS: Final = frozenset({Op.CONTAINS, Op.STARTS_WITH, Op.ENDS_WITH})
_COMMON_OPS: Final = frozenset({Op.EQUALS, Op.IN, Op.IS_SET})

OPS_BY_KIND: Final = {
    FieldKind.TEXT: _COMMON_OPS | SUBSTRING_OPS,
    FieldKind.CHOICE: _COMMON_OPS,
    FieldKind.BOOLEAN: _COMMON_OPS,
    FieldKind.TAGS: _COMMON_OPS | SUBSTRING_OPS,
    FieldKind.LISTS: _COMMON_OPS | SUBSTRING_OPS,
    FieldKind.NUMBER: _COMMON_OPS | ORDER_OPS,
    FieldKind.INSTANT: _COMMON_OPS | ORDER_OPS | DATE_OPS | RELATIVE_OPS,
    FieldKind.ATTRIBUTE: frozenset(Op),
    FieldKind.SEGMENTS: frozenset({Op.EQUALS, Op.CONTAINS, Op.IN}),
}

_UUID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OperandError(Exception):
    """The value does not fit the field and the operator; the message says why."""


def json_type_name(value: object) -> str:
    """Return the JSON type name of a decoded value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "undefined")


def wrong_type_error(what: str, value: object) -> OperandError:
    """Return the error for a value of another JSON type than expected."""
    return OperandError(f"Expected {what}, received {json_type_name(value)}")


def _read_text(value: object) -> str:
    if not isinstance(value, str):
        raise wrong_type_error("string", value)
    if (fault := text.find_text_fault(value)) is not None:
        raise OperandError(fault)
    if len(value) > MAX_TEXT_LENGTH:
        raise OperandError(f"String must contain at most {MAX_TEXT_LENGTH} character(s)")
    return value


def _read_text_operand(value: object, op: Op) -> str:
    string = _read_text(value)
    if op in SUBSTRING_OPS and not string:
        raise OperandError("String must contain at least 1 character(s)")
    return text.to_nfc(string)


def _read_tag_operand(value: object, op: Op) -> str:
    if op in (Op.STARTS_WITH, Op.ENDS_WITH):
        return _read_text_operand(value, op)
    return _read_text_operand(text.normalize_name(_read_text(value)), op)


def _read_number(value: object) -> Number:
    if isinstance(value, str):
        read = text.parse_number(_read_text(value))
        if read is None:
            raise OperandError("Expected number, received string")
        return Number(read)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong_type_error("number", value)
    if not text.is_storable_number(value):
        raise OperandError("Number is out of range")
    return Number(value)


def _read_boolean(value: object) -> Boolean:
    if isinstance(value, bool):
        return Boolean(value)
    if value in ("true", "false"):
        return Boolean(value == "true")
    raise wrong_type_error("boolean", value)


def _read_date(value: object) -> Date:
    parsed = dates.parse(_read_text(value))
    if parsed is None:
        raise OperandError("Expected a date (YYYY-MM-DD) or an instant (YYYY-MM-DDTHH:MM:SSZ)")
    if parsed.is_date_only:
        return Day(parsed.day.isoformat())
    if parsed.offset_us is None:
        return LocalInstant(dates.format_local(parsed.local_us))
    return Instant(parsed.local_us - parsed.offset_us)


def _read_status(value: object) -> Text:
    status = STATUS_ALIASES.get(value, value) if isinstance(value, str) else value
    if not isinstance(status, str):
        raise wrong_type_error("string", status)
    if status not in STATUSES:
        options = " | ".join(f"'{status}'" for status in STATUSES)
        raise OperandError(f"Invalid enum value. Expected {options}, received '{_read_text(status)}'")
    return Text(status)


def _read_list_id(value: object) -> Text:
    uuid = _read_text(value).lower()
    if not _UUID_PATTERN.fullmatch(uuid):
        raise OperandError("Invalid uuid")
    return Text(uuid)


def _read_segment_id(value: object) -> Text:
    uuid = _read_text(value).lower()
    if not _UUID_PATTERN.fullmatch(uuid):
        raise OperandError("Expected the id of a segment")
    return Text(uuid)


def _read_attribute_operand(value: object, op: Op) -> Scalar:
    if op in DATE_OPS:
        return _read_date(value)
    if op in ORDER_OPS:
        return _read_ordered_operand(value)
    if op in (Op.STARTS_WITH, Op.ENDS_WITH) or isinstance(value, str):
        return Text(_read_text_operand(value, op))
    if isinstance(value, bool):
        return Boolean(value)
    if isinstance(value, int | float):
        return _read_number(value)
    raise wrong_type_error("string, number or boolean", value)


def _read_ordered_operand(value: object) -> Number | Date:
    if not isinstance(value, str):
        return _read_number(value)
    if dates.parse(_read_text(value)) is not None:
        return _read_date(value)
    if (read := text.parse_number(value)) is None:
        raise OperandError("Expected a number, a date or an instant")
    return Number(read)


_READ_BY_KIND: Final[dict[FieldKind, Callable[[object, Op], Scalar]]] = {
    FieldKind.TEXT: lambda value, op: Text(_read_text_operand(value, op)),
    FieldKind.CHOICE: lambda value, op: _read_status(value),
    FieldKind.BOOLEAN: lambda value, op: _read_boolean(value),
    FieldKind.TAGS: lambda value, op: Text(_read_tag_operand(value, op)),
    FieldKind.LISTS: lambda value, op: _read_list_id(value),
    FieldKind.NUMBER: lambda value, op: _read_number(value),
    FieldKind.INSTANT: lambda value, op: _read_date(value),
    FieldKind.ATTRIBUTE: _read_attribute_operand,
    FieldKind.SEGMENTS: lambda value, op: _read_segment_id(value),
}


def read_scalar(field: str, kind: FieldKind, op: Op, value: object) -> Scalar:
    """Return a value as the operand of a field and an operator; raise `OperandError`."""
    scalar = _READ_BY_KIND[kind](value, op)
    if field == "email" and isinstance(scalar, Text):
        # A part of an address is searched in the address as it was sent.
        is_part = op in SUBSTRING_OPS
        return Text(
            text.to_nfc(scalar.value.lower()) if is_part else addresses.normalize_address(scalar.value)
        )
    return scalar


def read_duration(op: Op, value: object) -> Duration:
    """Return the number of days or hours of a relative operator, given as an integer or as its digits.

    Days are 0 to 36,500, in at most 5 digits; hours 0 to 876,000, in at most 6. Raise `OperandError`.
    """
    return (
        Hours(_read_count(value, "hours", MAX_HOURS))
        if op in HOUR_OPS
        else Days(_read_count(value, "days", MAX_DAYS))
    )


def _read_count(value: object, unit: str, most: int) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= len(str(most)):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise OperandError(f"Expected integer, received {json_type_name(value)}")
    if not 0 <= value <= most:
        raise OperandError(f"Number of {unit} must be between 0 and {most}")
    return value
