"""The columns of an export, by name: fields, `attributes.KEY`, and the containers of all attributes."""

import csv
from collections.abc import Iterable, Sequence
from typing import Final

from diglot.conditions.fields import ATTRIBUTE_PREFIX, FIELDS, STORED_FIELDS, find_key_fault
from diglot.conditions.text import normalize_name
from diglot.errors import InvalidInput

ID: Final = "id"
EMAIL: Final = "email"
LISTS: Final = "lists"
ATTRIBUTES: Final = "attributes"
# All attributes in one column, under the names by which the dialects call it.
CONTAINERS: Final = (ATTRIBUTES, "custom_fields")
# `subscribed` repeats the status, and a person who edits one of the two would contradict the other.
ALL_FIELDS: Final = (ID, *(field.name for field in STORED_FIELDS), LISTS)
_NAMES: Final = frozenset({ID, *FIELDS, *CONTAINERS})
_PATH: Final = ("columns",)


def read_columns(written: str) -> tuple[str, ...]:
    """Return columns that are written as a row of CSV, each once; raise `InvalidInput`."""
    if (message := find_columns_fault(written)) is not None:
        raise InvalidInput.at(_PATH, message)
    return tuple(dict.fromkeys(_split_names(written)))


def find_columns_fault(written: str) -> str | None:
    """Return the first fault of columns that are written as a row of CSV, or None."""
    try:
        names = _split_names(written)
    except csv.Error as error:
        return f"Expected names with commas between them: {error}"
    if not names:
        return "Expected at least one name"
    return next((fault for name in names if (fault := _find_column_fault(name)) is not None), None)


def _split_names(written: str) -> Sequence[str]:
    return [_normalize(name) for name in next(csv.reader([written], strict=True), [])]


def _normalize(name: str) -> str:
    """Return the name of a column with the key of an attribute as it is stored."""
    return ATTRIBUTE_PREFIX + normalize_name(key_of(name)) if name.startswith(ATTRIBUTE_PREFIX) else name


def _find_column_fault(name: str) -> str | None:
    """Return what is wrong with the name of a column, or None."""
    if name in _NAMES:
        return None
    if not name.startswith(ATTRIBUTE_PREFIX):
        return f"There is no field {name[:100]!r}: a custom attribute is {ATTRIBUTE_PREFIX}KEY"
    return find_key_fault(key_of(name))


def columns_of_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of every field and of attribute keys, in a stable order."""
    return (*ALL_FIELDS, *(ATTRIBUTE_PREFIX + key for key in sorted(keys)))


def is_attribute(name: str) -> bool:
    """Tell whether a column is one attribute."""
    return name not in _NAMES


def key_of(name: str) -> str:
    """Return the key of the attribute of a column."""
    return name.removeprefix(ATTRIBUTE_PREFIX)


def needs_attributes(names: Iterable[str]) -> bool:
    """Tell whether one of the columns is one attribute, so that attributes have to be decoded."""
    return any(map(is_attribute, names))
