"""Reads query strings: integers have digits only, known parameters occur once, a fault's path is the name."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from diglot.conditions.operands import find_text_fault
from diglot.conditions.text import is_blank
from diglot.errors import InvalidInput

_INTEGER = re.compile(r"[0-9]+", re.ASCII)
# No table has more rows, and every database still accepts the number.
MAX_OFFSET: Final = 2**53
# The OpenAPI documents declare every integer as int64.
_MAX_INTEGER: Final = 2**63 - 1


def parse_query(query_string: bytes, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a query string; bytes that are not UTF-8 become U+FFFD.

    Raise `InvalidInput` if a known parameter has two different values, because one of them would be dropped.
    """
    text = query_string.decode("latin-1")
    found: dict[str, str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=None):
        if found.setdefault(key, value) != value and key in known:
            raise InvalidInput.at((key,), "The parameter is given twice")
    return found


def read_integer(query: Mapping[str, str], key: str, default: int, *, minimum: int, maximum: int) -> int:
    """Return an integer, reduced to `most`; raise `InvalidInput` if it is not a number or out of bounds."""
    written = query.get(key)
    if written is None:
        return default
    if not _INTEGER.fullmatch(written):
        raise InvalidInput.at((key,), "Expected number, received string")
    value = clamp_digits(written, _MAX_INTEGER + 1)
    if value > _MAX_INTEGER:
        raise InvalidInput.at((key,), f"Number must be less than or equal to {_MAX_INTEGER}")
    if value < minimum:
        raise InvalidInput.at((key,), f"Number must be greater than or equal to {minimum}")
    return min(value, maximum)


def clamp_digits(digits: str, most: int) -> int:
    """Return the number that digits stand for, reduced to `most`; the number of digits is not limited."""
    few = digits.lstrip("0")
    return most if len(few) > len(str(most)) else min(int(few or "0"), most)


def read_text(query: Mapping[str, str], key: str) -> str | None:
    """Return a string; raise `InvalidInput` if it has U+0000."""
    written = query.get(key)
    if written is not None and (message := find_text_fault(written)) is not None:
        raise InvalidInput.at((key,), message)
    return written


def read_name(query: Mapping[str, str], key: str) -> str:
    """Return a required string; raise `InvalidInput` if it is missing or blank."""
    written = read_text(query, key)
    if written is None:
        raise InvalidInput.at((key,), "Required")
    if is_blank(written):
        raise InvalidInput.at((key,), "String is blank")
    return written


def read_spelling(query: Mapping[str, str], *spellings: str) -> str | None:
    """Return a string with several spellings; raise `InvalidInput` if two differ or one has U+0000."""
    used = [spelling for spelling in spellings if spelling in query]
    for other in used[1:]:
        if query[other] != query[used[0]]:
            raise InvalidInput.at((other,), f"Differs from {used[0]}")
    return read_text(query, used[0]) if used else None


def read_choice(query: Mapping[str, str], key: str, options: Sequence[str]) -> str | None:
    """Return a word of an enumeration; raise `InvalidInput` for any other."""
    written = query.get(key)
    if written is not None and written not in options:
        shown = " | ".join(f"'{option}'" for option in options)
        message = f"Invalid enum value. Expected {shown}, received '{written[:100]}'"
        raise InvalidInput.at((key,), message)
    return written


def read_boolean(query: Mapping[str, str], key: str) -> bool | None:
    """Return true or false; raise `InvalidInput` for any other word."""
    written = query.get(key)
    if written is None:
        return None
    if written not in ("true", "false"):
        raise InvalidInput.at((key,), "Expected boolean, received string")
    return written == "true"
