"""Readers for the values of a body, one for each type, built from msgspec's type information.

A reader returns the value for the handler, or raises `InvalidInput` with all faults of the value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import inspect

from diglot.api import annotations
from diglot.api.input import request_body
from diglot.api.input.json_values import find_json_faults
from diglot.conditions.check import MAX_FAULTS
from diglot.conditions.operands import OperandError, wrong_type_error
from diglot.conditions.text import find_text_fault, is_blank, is_number
from diglot.errors import ContentTooLarge, Fault, InvalidInput, Path

# The limit for the JSON stored with one event, because a page may show a thousand events.
MAX_JSON_BYTES: Final = 64 * 1024


class Given(msgspec.Struct, frozen=True, gc=False):
    """A decoded value, its path, and the raw JSON of the member that contains it.

    It is a struct because an import has one for each value, and makes a dataclass five times as slowly.
    """

    value: Any
    path: Path
    raw: msgspec.Raw = msgspec.Raw()


ReadValue = Callable[[Given], Any]


def build_reader(kind: inspect.Type, extra: Mapping[str, Any]) -> ReadValue:
    """Return the reader of a type whose metadata are in `extra`."""
    if (read := extra.get(annotations.READ)) is not None:
        return _OwnReader(read)
    if (build := _BUILDERS.get(type(kind))) is None:
        raise TypeError(f"No input is of {kind}")
    return build(kind, extra)


def without_metadata(kind: inspect.Type) -> tuple[inspect.Type, dict[str, Any], dict[str, Any], bool]:
    """Return the bare type, its extra, its extra JSON schema, and whether it allows null."""
    nullable = False
    if isinstance(kind, inspect.UnionType):
        (kind,) = (one for one in kind.types if not isinstance(one, inspect.NoneType))
        nullable = True
    if isinstance(kind, inspect.Metadata):
        return kind.type, kind.extra or {}, kind.extra_json_schema or {}, nullable
    return kind, {}, {}, nullable


def _type_fault(name: str, given: Given) -> InvalidInput:
    return InvalidInput.at(given.path, str(wrong_type_error(name, given.value)))


class _OwnReader(msgspec.Struct, frozen=True):
    """Calls the function that a struct names for its field, and completes the paths of its faults."""

    read: Callable[[Any], Any]

    def __call__(self, given: Given) -> Any:
        try:
            return self.read(given.value)
        except OperandError as unfit:
            raise InvalidInput.at(given.path, str(unfit)) from None
        except InvalidInput as invalid:
            faults = [Fault((*given.path, *fault.path), fault.message) for fault in invalid.faults]
            raise InvalidInput(faults) from None


class _TextReader(msgspec.Struct, frozen=True):
    longest: int | None
    min_length: int
    # The message for a blank string, if it is not one of those that say what is missing.
    blank: str | None
    mismatch: tuple[re.Pattern[str], str] | None
    check: annotations.Check | None
    convert: Callable[[str], Any] | None

    def __call__(self, given: Given) -> Any:
        value = given.value
        if not isinstance(value, str):
            raise _type_fault("string", given)
        if (message := self._find_fault(value)) is not None:
            raise InvalidInput.at(given.path, message)
        return value if self.convert is None else self.convert(value)

    def _find_fault(self, value: str) -> str | None:
        if (message := find_text_fault(value)) is not None:
            return message
        if self.longest is not None and len(value) > self.longest:
            return f"String must contain at most {self.longest} character(s)"
        if self.min_length and is_blank(value):
            return self.blank or (
                "String is blank" if value else "String must contain at least 1 character(s)"
            )
        if self.mismatch is not None and not self.mismatch[0].fullmatch(value):
            return self.mismatch[1]
        return None if self.check is None else self.check(value)


class _ChoiceReader(msgspec.Struct, frozen=True):
    options: Sequence[str]
    synonyms: Mapping[str, str]
    # Converts the word to the value for the handler.
    make: Callable[[str], str] = str
    mismatch: str | None = None

    def __call__(self, given: Given) -> str:
        value = given.value
        if not isinstance(value, str):
            raise _type_fault("string", given)
        word = self.synonyms.get(value, value)
        if word not in self.options:
            shown = " | ".join(f"'{option}'" for option in self.options)
            message = f"Invalid enum value. Expected {shown}, received '{value[:100]}'"
            raise InvalidInput.at(given.path, self.mismatch or message)
        return self.make(word)


def _read_boolean(given: Given) -> bool:
    value = given.value
    if not isinstance(value, bool):
        raise _type_fault("boolean", given)
    return value


class _NumberReader(msgspec.Struct, frozen=True):
    least: int
    most: int
    integer: bool
    # The message for a fraction in place of an integer, if it is not that of another type.
    fraction: str | None

    def __call__(self, given: Given) -> float:
        value = given.value
        if self.integer and isinstance(value, float):
            if value.is_integer():
                value = int(value)  # JSON has one number type, so 1.0 is an integer
            else:
                raise InvalidInput.at(given.path, self.fraction or str(wrong_type_error("integer", value)))
        if not is_number(value):
            raise _type_fault("integer" if self.integer and self.fraction is None else "number", given)
        if not self.least <= value <= self.most:
            raise InvalidInput.at(given.path, f"Number must be between {self.least} and {self.most}")
        number: float = value if self.integer else float(value) + 0.0  # turns minus zero into zero
        return number


class _ListReader(msgspec.Struct, frozen=True):
    """Reads a list; a list of enumerated words is returned without duplicates.

    Without `item`, the handler reads the elements. With `unit`, a list that is too long is ContentTooLarge.
    """

    item: ReadValue | None
    min_length: int
    max_length: int | None
    mismatch: str | None
    unit: str | None

    def __call__(self, given: Given) -> list[Any]:
        value = given.value
        if not isinstance(value, list):
            raise _type_fault("array", given)
        if (message := self._find_length_fault(len(value))) is not None:
            raise InvalidInput.at(given.path, self.mismatch or message)
        return value if self.item is None else self._read_elements(value, given, self.item)

    def _read_elements(self, value: list[Any], given: Given, read: ReadValue) -> list[Any]:
        are_words = isinstance(read, _ChoiceReader)
        # Each fault of an enumerated word lists all allowed words, so thousands of faults would make the
        # response a hundred times as large as the body: only the first is reported.
        faults: list[Fault] = []
        for index, element in enumerate(value):
            try:
                read(Given(element, (*given.path, index), given.raw))
            except InvalidInput as invalid:
                faults.extend(invalid.faults)
                if not are_words or len(faults) == MAX_FAULTS:
                    break
        if faults:
            raise InvalidInput(faults)
        return list(dict.fromkeys(value)) if are_words else value

    def _find_length_fault(self, length: int) -> str | None:
        if length < self.min_length:
            return f"Array must contain at least {self.min_length} element(s)"
        if self.max_length is not None and length > self.max_length:
            if self.unit is not None:
                raise ContentTooLarge(self.max_length, self.unit)
            return f"Array must contain at most {self.max_length} element(s)"
        return None


class _JsonReader(msgspec.Struct, frozen=True):
    """Reads an object or a list of objects that is stored as sent."""

    in_list: bool

    def __call__(self, given: Given) -> Any:
        value = given.value
        name, kind = ("array", list) if self.in_list else ("object", dict)
        if not isinstance(value, kind):
            raise _type_fault(name, given)
        if self.in_list:
            for index, element in enumerate(value):
                if not isinstance(element, dict):
                    raise _type_fault("object", Given(element, (*given.path, index), given.raw))
        if faults := find_json_faults(value, given.path):
            raise InvalidInput(faults)
        if len(request_body.compact_json(given.raw).encode()) > MAX_JSON_BYTES:
            raise InvalidInput.at(given.path, f"JSON must have at most {MAX_JSON_BYTES} bytes")
        return value


def _build_text_reader(kind: inspect.StrType, extra: Mapping[str, Any]) -> ReadValue:
    if (options := extra.get(annotations.OPTIONS)) is not None:
        known = extra.get(annotations.SYNONYMS, {})
        return _ChoiceReader(options, known, mismatch=extra.get(annotations.MISMATCH))
    message = extra.get(annotations.MISMATCH)
    mismatch = None if message is None or kind.pattern is None else (re.compile(kind.pattern), message)
    longest = extra.get(annotations.LONGEST, kind.max_length)
    check, convert = extra.get(annotations.CHECK), extra.get(annotations.CONVERT)
    blank = message if kind.pattern is None else None
    return _TextReader(longest, kind.min_length or 0, blank, mismatch, check, convert)


def _build_number_reader(kind: inspect.IntType | inspect.FloatType, extra: Mapping[str, Any]) -> ReadValue:
    assert kind.ge is not None
    assert kind.le is not None
    integer, fraction = isinstance(kind, inspect.IntType), extra.get(annotations.MISMATCH)
    return _NumberReader(int(kind.ge), int(kind.le), integer, fraction)


def _build_list_reader(kind: inspect.ListType, extra: Mapping[str, Any]) -> ReadValue:
    item, item_extra, *_ = without_metadata(kind.item_type)
    if isinstance(item, inspect.DictType):
        return _JsonReader(in_list=True)
    read = None if annotations.LEFT_TO_HANDLER in extra else build_reader(item, item_extra)
    mismatch, unit = extra.get(annotations.MISMATCH), extra.get(annotations.COUNTED_IN)
    return _ListReader(read, kind.min_length or 0, kind.max_length, mismatch, unit)


_BUILDERS: Final[Mapping[type[inspect.Type], Callable[[Any, Mapping[str, Any]], ReadValue]]] = {
    inspect.StrType: _build_text_reader,
    inspect.BoolType: lambda kind, extra: _read_boolean,
    inspect.IntType: _build_number_reader,
    inspect.FloatType: _build_number_reader,
    inspect.EnumType: lambda kind, extra: _ChoiceReader(tuple(kind.cls), {}, kind.cls),
    inspect.ListType: _build_list_reader,
    inspect.DictType: lambda kind, extra: _JsonReader(in_list=False),
}
