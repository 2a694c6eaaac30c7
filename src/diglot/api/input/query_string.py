"""Query strings: integers by the letter, each that is known once, faults with the key as their path."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from diglot.conditions.operands import find_text_fault
from diglot.conditions.text import is_blank
from diglot.errors import Invalid

_INTEGER = re.compile(r"[0-9]+", re.ASCII)
# Past this there are no rows anyway, and every database still takes the number.
MOST_OFFSET: Final = 2**53
# What the documents say of every integer: it has 64 bits.
_GREATEST: Final = 2**63 - 1


def parse(query_string: bytes, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a query string; what is not UTF-8 becomes U+FFFD.

    Raise `Invalid` for a known one that is given twice with two values: one of the two would be dropped.
    """
    text = query_string.decode("latin-1")
    found: dict[str, str] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=None):
        if found.setdefault(key, value) != value and key in known:
            raise Invalid.at((key,), "The parameter is given twice")
    return found


def integer(query: Mapping[str, str], key: str, default: int, *, least: int, most: int) -> int:
    """Return an integer, clamped to `most`; raise `Invalid` for what is none or out of bounds."""
    written = query.get(key)
    if written is None:
        return default
    if not _INTEGER.fullmatch(written):
        raise Invalid.at((key,), "Expected number, received string")
    value = clamped(written, _GREATEST + 1)
    if value > _GREATEST:
        raise Invalid.at((key,), f"Number must be less than or equal to {_GREATEST}")
    if value < least:
        raise Invalid.at((key,), f"Number must be greater than or equal to {least}")
    return min(value, most)


def clamped(digits: str, most: int) -> int:
    """Return the number that digits stand for, however many they are, or the most."""
    few = digits.lstrip("0")
    return most if len(few) > len(str(most)) else min(int(few or "0"), most)


def text(query: Mapping[str, str], key: str) -> str | None:
    """Return a text; raise `Invalid` for one with U+0000."""
    written = query.get(key)
    if written is not None and (message := find_text_fault(written)) is not None:
        raise Invalid.at((key,), message)
    return written


def name(query: Mapping[str, str], key: str) -> str:
    """Return a text that has to be there and is not blank; raise `Invalid`."""
    written = text(query, key)
    if written is None:
        raise Invalid.at((key,), "Required")
    if is_blank(written):
        raise Invalid.at((key,), "String is blank")
    return written


def spelled(query: Mapping[str, str], *spellings: str) -> str | None:
    """Return a text that has several spellings; raise `Invalid` where two differ or for U+0000."""
    used = [spelling for spelling in spellings if spelling in query]
    for other in used[1:]:
        if query[other] != query[used[0]]:
            raise Invalid.at((other,), f"Differs from {used[0]}")
    return text(query, used[0]) if used else None


def choice(query: Mapping[str, str], key: str, options: Sequence[str]) -> str | None:
    """Return one of a few words; raise `Invalid` for any other."""
    written = query.get(key)
    if written is not None and written not in options:
        shown = " | ".join(f"'{option}'" for option in options)
        message = f"Invalid enum value. Expected {shown}, received '{written[:100]}'"
        raise Invalid.at((key,), message)
    return written


def boolean(query: Mapping[str, str], key: str) -> bool | None:
    """Return true or false; raise `Invalid` for any other word."""
    written = query.get(key)
    if written is None:
        return None
    if written not in ("true", "false"):
        raise Invalid.at((key,), "Expected boolean, received string")
    return written == "true"
