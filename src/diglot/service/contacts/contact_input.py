"""Validates contact values from request bodies and imports, and returns a `ContactChange`.

A dialect passes the values under our field names, each with its path in the body, so that faults name the
path that the client sent.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions import dates, text
from diglot.conditions.fields import FIELDS, STATUS_ALIASES, STATUSES, Field, FieldKind, find_key_fault
from diglot.conditions.operands import OperandError, find_text_fault, json_type_name, wrong_type_error
from diglot.errors import Fault, InvalidInput, Path
from diglot.model.contacts import SUBSCRIBED, ContactChange

MAX_TAGS: Final = 50
MAX_TAG_LENGTH: Final = 100
MAX_ATTRIBUTE_DEPTH: Final = 32
_UNUSED_ZONE: Final = ZoneInfo("UTC")
_EMAIL_PATTERN = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f.]+(\.[^\s@\x00-\x1f\x7f.]+)+")
WRITABLE_FIELDS: Final = tuple(name for name, field in FIELDS.items() if field.is_writable)


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A value from a body, with its path there."""

    value: Any
    path: Path


@dataclass(slots=True)
class _InputChecker:
    zone: ZoneInfo
    faults: list[Fault] = field(default_factory=list)

    def read_field(self, name: str, given: GivenValue) -> Any:
        try:
            if given.value is None and FIELDS[name].is_nullable:
                return None
            return _READ_BY_KIND[FIELDS[name].kind](given.value, FIELDS[name], self.zone)
        except OperandError as unfit:
            self.faults.append(Fault(given.path, str(unfit)))
            return None

    def check_attributes(self, given: GivenValue) -> dict[str, Any]:
        if not isinstance(given.value, dict):
            self.faults.append(Fault(given.path, str(wrong_type_error("object", given.value))))
            return {}
        for key, value in given.value.items():
            message = find_key_fault(key)
            if message is not None:
                self.faults.append(Fault((*given.path, key), message))
            else:
                self.check_json(value, (*given.path, key), 0)
        return given.value

    def check_json(self, value: Any, path: Path, depth: int) -> None:
        """Report only the first fault in a value, because each repeats the full path, which may be long."""
        self.faults.extend(islice(_iterate_json_faults(value, path, depth), 1))


def _iterate_json_faults(value: Any, path: Path, depth: int) -> Iterator[Fault]:
    if depth > MAX_ATTRIBUTE_DEPTH:
        yield Fault(path, f"Values nest at most {MAX_ATTRIBUTE_DEPTH} deep")
    elif isinstance(value, str):
        if (message := find_text_fault(value)) is not None:
            yield Fault(path, message)
    elif text.is_number(value):
        if not text.is_storable_number(value):
            yield Fault(path, "Number is out of range")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _iterate_json_faults(element, (*path, index), depth + 1)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _iterate_json_faults(key, (*path, key), depth)
            yield from _iterate_json_faults(member, (*path, key), depth + 1)


def read_change(
    fields: Mapping[str, GivenValue],
    attributes: GivenValue | None,
    zone: ZoneInfo,
    lists: GivenValue | None = None,
) -> ContactChange:
    """Return the validated change; raise `InvalidInput` with all faults, in the order of the fields."""
    check = _InputChecker(zone)
    values = {name: check.read_field(name, given) for name, given in fields.items()}
    merged = {} if attributes is None else check.check_attributes(attributes)
    joined = () if lists is None else _read_list_ids(lists, check)
    subscribed = values.pop("subscribed", None)
    if not check.faults and subscribed is not None and "status" in values:
        if subscribed != (values["status"] == SUBSCRIBED):
            check.faults.append(Fault(fields["subscribed"].path, "Contradicts status"))
        subscribed = None
    if check.faults:
        raise InvalidInput(check.faults)
    return ContactChange(values, merged, subscribed, joined)


def find_json_faults(value: Any, path: Path) -> list[Fault]:
    """Return the first fault of a JSON value to store, by the rules for attributes; empty if it is valid."""
    check = _InputChecker(_UNUSED_ZONE)
    check.check_json(value, path, -1)  # the outermost object does not count, as for attributes
    return check.faults


def require_email(fields: Mapping[str, GivenValue], path: Path) -> None:
    """Raise `InvalidInput` if the fields have no email address."""
    if "email" not in fields:
        raise InvalidInput.at(path, "Required")


def _read_list_ids(given: GivenValue, check: _InputChecker) -> tuple[str, ...]:
    if not isinstance(given.value, str):
        check.faults.append(Fault(given.path, str(wrong_type_error("string", given.value))))
        return ()
    return (given.value,)


def _read_text(value: Any, row: Field, zone: ZoneInfo) -> str:
    del zone
    if not isinstance(value, str):
        raise wrong_type_error("string", value)
    if (fault := find_text_fault(value)) is not None:
        raise OperandError(fault)
    if len(value) > row.max_length:
        raise OperandError(f"String must contain at most {row.max_length} character(s)")
    if row.name != "email":
        return value
    if not _EMAIL_PATTERN.fullmatch(value):
        raise OperandError("Invalid email")
    return text.normalize_email(value)


def _read_status(value: Any, row: Field, zone: ZoneInfo) -> str:
    del row, zone
    if not isinstance(value, str):
        raise wrong_type_error("string", value)
    status = STATUS_ALIASES.get(value, value)
    if status not in STATUSES:
        options = " | ".join(f"'{option}'" for option in STATUSES)
        raise OperandError(f"Invalid enum value. Expected {options}, received '{value[:100]}'")
    return status


def _read_boolean(value: Any, row: Field, zone: ZoneInfo) -> bool:
    del row, zone
    if not isinstance(value, bool):
        raise wrong_type_error("boolean", value)
    return value


def _read_tags(value: Any, row: Field, zone: ZoneInfo) -> list[str]:
    del row, zone
    if not isinstance(value, list):
        raise wrong_type_error("array", value)
    tags: dict[str, str] = {}
    for tag in value:
        if not isinstance(tag, str):
            raise wrong_type_error("array of strings, an element", tag)
        if find_text_fault(tag) is not None or text.is_blank(tag) or len(tag) > MAX_TAG_LENGTH:
            raise OperandError(
                f"A tag has 1 to {MAX_TAG_LENGTH} characters, is not blank and holds no U+0000"
            )
        tags.setdefault(text.to_nfc(tag), tag)
    if len(tags) > MAX_TAGS:
        raise OperandError(f"Array must contain at most {MAX_TAGS} element(s)")
    return list(tags.values())


def _read_number(value: Any, row: Field, zone: ZoneInfo) -> float:
    del zone
    if not text.is_number(value):
        raise wrong_type_error("number", value)
    if row.is_integer and value != int(value):
        raise OperandError("Expected integer, received float")
    if not 0 <= value <= row.max_value:
        raise OperandError(f"Number must be between 0 and {int(row.max_value)}")
    return int(value) if row.is_integer else float(value)


def _read_instant(value: Any, row: Field, zone: ZoneInfo) -> int:
    del row
    if not isinstance(value, str):
        raise OperandError(f"Expected string, received {json_type_name(value)}")
    if (parsed := dates.parse_to_microsecond(value)) is None:
        raise OperandError("Invalid date: expected YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ")
    return parsed.to_instant(zone)


_READ_BY_KIND: Final[dict[FieldKind, Callable[[Any, Field, ZoneInfo], Any]]] = {
    FieldKind.TEXT: _read_text,
    FieldKind.CHOICE: _read_status,
    FieldKind.BOOLEAN: _read_boolean,
    FieldKind.TAGS: _read_tags,
    FieldKind.NUMBER: _read_number,
    FieldKind.INSTANT: _read_instant,
}
