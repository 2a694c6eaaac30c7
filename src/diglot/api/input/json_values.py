"""Validates free JSON that is stored: custom attributes, and the data of events."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from diglot.conditions import text
from diglot.conditions.fields import find_key_fault
from diglot.conditions.operands import wrong_type_error
from diglot.conditions.text import find_text_fault
from diglot.errors import Fault, InvalidInput, Path

MAX_ATTRIBUTE_DEPTH: Final = 32


def read_attributes(value: Any) -> dict[str, Any]:
    """Return custom attributes by their keys in stored form.

    Raise `OperandError`, or `InvalidInput` with the first fault of each.
    """
    if not isinstance(value, dict):
        raise wrong_type_error("object", value)
    faults: list[Fault] = []
    attributes: dict[str, Any] = {}
    for key, member in value.items():
        stored = text.normalize_name(key)
        if (message := find_key_fault(stored)) is not None:
            faults.append(Fault((key,), message))
        elif stored in attributes:
            faults.append(Fault((key,), f"Another key of the object means {stored} too"))
        else:
            attributes[stored] = member
            faults += _find_first_fault(member, (key,), 0)
    if faults:
        raise InvalidInput(faults)
    return attributes


def find_json_faults(value: Any, path: Path) -> list[Fault]:
    """Return the first fault of a JSON value to store, by the rules for attributes; empty if it is valid."""
    return _find_first_fault(value, path, -1)  # the outermost object does not count, as for attributes


def _find_first_fault(value: Any, path: Path, depth: int) -> list[Fault]:
    """Return only the first fault in a value, because each repeats the full path, which may be long."""
    return list(islice(_iterate_json_faults(value, path, depth), 1))


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
