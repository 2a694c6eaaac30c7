"""One reader for each type of value in a body, made from what msgspec tells of the type.

A reader returns what the handler gets, or raises `InvalidInput` with every fault of the value.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import inspect

from diglot.api import annotations
from diglot.api.input import request_body
from diglot.conditions.check import MAX_FAULTS
from diglot.conditions.operands import OperandError, find_text_fault, wrong_type_error
from diglot.conditions.text import is_blank, is_number
from diglot.errors import Fault, InvalidInput, Path
from diglot.service.contacts.contact_input import find_json_faults

# What is kept of one event as it was sent; a page may hold a thousand of them.
MAX_JSON_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Given:
    """A value of a body: decoded, the member that it stands in as sent, and its path."""

    value: Any
    raw: msgspec.Raw
    path: Path


ReadValue = Callable[[Given], Any]


def build_reader(kind: inspect.Type, extra: Mapping[str, Any]) -> ReadValue:
    """Return the reader of a type without its metadata, which stand in `extra`."""
    if (convert := extra.get(annotations.CONVERT)) is not None:
        return _ConvertReader(convert)
    if (build := _BUILDERS.get(type(kind))) is None:
        raise TypeError(f"No input is of {kind}")
    return build(kind, extra)


def without_metadata(kind: inspect.Type) -> tuple[inspect.Type, dict[str, Any], dict[str, Any], bool]:
    """Return a type by itself, its extra, the extra of its schema, and whether null is one of its values."""
    nullable = False
    if isinstance(kind, inspect.UnionType):
        (kind,) = (one for one in kind.types if not isinstance(one, inspect.NoneType))
        nullable = True
    if isinstance(kind, inspect.Metadata):
        return kind.type, kind.extra or {}, kind.extra_json_schema or {}, nullable
    return kind, {}, {}, nullable


def _type_fault(name: str, given: Given) -> InvalidInput:
    return InvalidInput.at(given.path, str(wrong_type_error(name, given.value)))


@dataclass(frozen=True, slots=True)
class _ConvertReader:
    convert: Callable[[Any], Any]

    def __call__(self, given: Given) -> Any:
        try:
            return self.convert(given.value)
        except OperandError as unfit:
            raise InvalidInput.at(given.path, str(unfit)) from None


@dataclass(frozen=True, slots=True)
class _TextReader:
    longest: int | None
    min_length: int
    mismatch: tuple[re.Pattern[str], str] | None
    check: annotations.Check | None

    def __call__(self, given: Given) -> str:
        value = given.value
        if not isinstance(value, str):
            raise _type_fault("string", given)
        if (message := self._find_fault(value)) is not None:
            raise InvalidInput.at(given.path, message)
        return value

    def _find_fault(self, value: str) -> str | None:
        if self.longest is not None and len(value) > self.longest:
            return f"String must contain at most {self.longest} character(s)"
        if (message := find_text_fault(value)) is not None:
            return message
        if self.min_length and is_blank(value):
            return "String is blank" if value else "String must contain at least 1 character(s)"
        if self.mismatch is not None and not self.mismatch[0].fullmatch(value):
            return self.mismatch[1]
        return None if self.check is None else self.check(value)


@dataclass(frozen=True, slots=True)
class _ChoiceReader:
    options: Sequence[str]
    # What makes the value of a word.
    make: Callable[[str], str] = str

    def __call__(self, given: Given) -> str:
        value = given.value
        if not isinstance(value, str):
            raise _type_fault("string", given)
        if value not in self.options:
            shown = " | ".join(f"'{option}'" for option in self.options)
            raise InvalidInput.at(
                given.path, f"Invalid enum value. Expected {shown}, received '{value[:100]}'"
            )
        return self.make(value)


def _read_boolean(given: Given) -> bool:
    value = given.value
    if not isinstance(value, bool):
        raise _type_fault("boolean", given)
    return value


@dataclass(frozen=True, slots=True)
class _NumberReader:
    least: int
    most: int
    integer: bool

    def __call__(self, given: Given) -> float:
        value = given.value
        if self.integer and isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one sort of numbers
        if not is_number(value) or (self.integer and isinstance(value, float)):
            raise _type_fault("integer" if self.integer else "number", given)
        if not self.least <= value <= self.most:
            raise InvalidInput.at(given.path, f"Number must be between {self.least} and {self.most}")
        number: float = value if self.integer else float(value) + 0.0  # no minus zero
        return number


@dataclass(frozen=True, slots=True)
class _ListReader:
    """Reads a list; of words each is kept once."""

    item: ReadValue
    min_length: int
    max_length: int | None
    mismatch: str | None
    are_words: bool

    def __call__(self, given: Given) -> list[Any]:
        value = given.value
        if not isinstance(value, list):
            raise _type_fault("array", given)
        if (message := self._find_length_fault(len(value))) is not None:
            raise InvalidInput.at(given.path, self.mismatch or message)
        # A fault of a word names all the words, so that thousands would be an answer of a hundred times the
        # body; of other elements the first is enough.
        faults: list[Fault] = []
        for index, element in enumerate(value):
            try:
                self.item(Given(element, given.raw, (*given.path, index)))
            except InvalidInput as invalid:
                faults.extend(invalid.faults)
                if not self.are_words or len(faults) == MAX_FAULTS:
                    break
        if faults:
            raise InvalidInput(faults)
        return list(dict.fromkeys(value)) if self.are_words else value

    def _find_length_fault(self, length: int) -> str | None:
        if length < self.min_length:
            return f"Array must contain at least {self.min_length} element(s)"
        if self.max_length is not None and length > self.max_length:
            return f"Array must contain at most {self.max_length} element(s)"
        return None


@dataclass(frozen=True, slots=True)
class _JsonReader:
    """Reads an object, or a list of objects, that is kept as it was sent."""

    in_list: bool

    def __call__(self, given: Given) -> Any:
        value = given.value
        name, kind = ("array", list) if self.in_list else ("object", dict)
        if not isinstance(value, kind):
            raise _type_fault(name, given)
        if self.in_list:
            for index, element in enumerate(value):
                if not isinstance(element, dict):
                    raise _type_fault("object", Given(element, given.raw, (*given.path, index)))
        if faults := find_json_faults(value, given.path):
            raise InvalidInput(faults)
        if len(request_body.compact_json(given.raw).encode()) > MAX_JSON_BYTES:
            raise InvalidInput.at(given.path, f"JSON must have at most {MAX_JSON_BYTES} bytes")
        return value


def _build_text_reader(kind: inspect.StrType, extra: Mapping[str, Any]) -> ReadValue:
    if (options := extra.get(annotations.OPTIONS)) is not None:
        return _ChoiceReader(options)
    message = extra.get(annotations.MISMATCH)
    mismatch = None if message is None or kind.pattern is None else (re.compile(kind.pattern), message)
    longest = extra.get(annotations.LONGEST, kind.max_length)
    return _TextReader(longest, kind.min_length or 0, mismatch, extra.get(annotations.CHECK))


def _build_number_reader(kind: inspect.IntType | inspect.FloatType) -> ReadValue:
    assert kind.ge is not None
    assert kind.le is not None
    return _NumberReader(int(kind.ge), int(kind.le), isinstance(kind, inspect.IntType))


def _build_list_reader(kind: inspect.ListType, extra: Mapping[str, Any]) -> ReadValue:
    item, item_extra, *_ = without_metadata(kind.item_type)
    if isinstance(item, inspect.DictType):
        return _JsonReader(in_list=True)
    read = build_reader(item, item_extra)
    mismatch = extra.get(annotations.MISMATCH)
    return _ListReader(read, kind.min_length or 0, kind.max_length, mismatch, isinstance(read, _ChoiceReader))


_BUILDERS: Final[Mapping[type[inspect.Type], Callable[[Any, Mapping[str, Any]], ReadValue]]] = {
    inspect.StrType: _build_text_reader,
    inspect.BoolType: lambda kind, extra: _read_boolean,
    inspect.IntType: lambda kind, extra: _build_number_reader(kind),
    inspect.FloatType: lambda kind, extra: _build_number_reader(kind),
    inspect.EnumType: lambda kind, extra: _ChoiceReader(tuple(kind.cls), kind.cls),
    inspect.ListType: _build_list_reader,
    inspect.DictType: lambda kind, extra: _JsonReader(in_list=False),
}
