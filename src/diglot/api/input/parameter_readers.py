"""Readers for the parameters of a query and the fields of a form, whose values are text."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from diglot.api import annotations
from diglot.api.input.value_readers import Given, ReadValue, build_reader
from diglot.errors import InvalidInput

_DIGITS = re.compile(r"[0-9]+", re.ASCII)
# The OpenAPI documents declare every integer as int64.
_MAX_INTEGER: Final = 2**63 - 1


def build_parameter_reader(kind: inspect.Type, extra: Mapping[str, Any]) -> ReadValue:
    """Return the reader of a type whose metadata are in `extra`, for values that are text."""
    if isinstance(kind, inspect.IntType):
        assert kind.ge is not None
        return _DigitsReader(int(kind.ge), extra[annotations.REDUCED_TO])
    return _read_switch if isinstance(kind, inspect.BoolType) else build_reader(kind, extra)


def clamp_digits(digits: str, most: int) -> int:
    """Return the number that digits stand for, reduced to `most`; the number of digits is not limited."""
    few = digits.lstrip("0")
    return most if len(few) > len(str(most)) else min(int(few or "0"), most)


class _DigitsReader(msgspec.Struct, frozen=True):
    """Reads an integer, which has digits only, and reduces it to `most`."""

    least: int
    most: int

    def __call__(self, given: Given) -> int:
        if not _DIGITS.fullmatch(given.value):
            raise InvalidInput.at(given.path, "Expected number, received string")
        value = clamp_digits(given.value, _MAX_INTEGER + 1)
        if value > _MAX_INTEGER:
            raise InvalidInput.at(given.path, f"Number must be less than or equal to {_MAX_INTEGER}")
        if value < self.least:
            raise InvalidInput.at(given.path, f"Number must be greater than or equal to {self.least}")
        return min(value, self.most)


def _read_switch(given: Given) -> bool:
    if given.value not in ("true", "false"):
        raise InvalidInput.at(given.path, "Expected boolean, received string")
    return bool(given.value == "true")
