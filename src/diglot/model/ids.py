"""Ids: a UUIDv7, or in API responses also a prefix with 26 characters for the same bits.

UUIDv7 is defined in RFC 9562, section 5.7. The 12 bits after the version hold the fraction of the millisecond
(section 6.2, method 3), so that the ids of one process sort in the order in which it made them. The second
form is TypeID's (jetify.com/typeid): lower-case Crockford base32, most significant bits first, so the first
character is 0 to 7.
"""

import os
import re
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_DIGIT_PAIRS: Final = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
# Converts to the digits that `int` parses in base 32.
_TO_INT_DIGITS: Final = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
_UUID_PATTERN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_BASE32_PATTERN = re.compile(f"[0-7][{_ALPHABET}]{{25}}")
SEGMENT_PREFIX: Final = "seg_"
_IDS_DRAWN: Final = 256
# The digit that has the two bits of the variant, for a random digit.
_VARIANTS: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_MAX_LENGTH: Final = 36


def _format_uuid(bits: int) -> str:
    digits = f"{bits:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_id() -> str:
    """Return a new UUIDv7."""
    # Its own bytes, because processes that were forked, and threads, would share those of a generator.
    return next(iterate_new_ids(1))


def iterate_new_ids(drawn: int = _IDS_DRAWN) -> Iterator[str]:
    """Yield new UUIDv7s, for which random bytes are drawn together: an import needs an id for each row."""
    while True:
        random = os.urandom(8 * drawn).hex()
        for start in range(0, len(random), 16):
            milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
            time_ = f"{milliseconds:012x}{(nanoseconds << 12) // 1_000_000:03x}"
            digits = random[start : start + 16]
            variant = _VARIANTS[digits[0]]
            yield f"{time_[:8]}-{time_[8:12]}-7{time_[12:]}-{variant}{digits[1:4]}-{digits[4:]}"


def format_prefixed_id(uuid: str, prefix: str = SEGMENT_PREFIX) -> str:
    """Return the prefixed form of a UUID."""
    bits = int(uuid.replace("-", ""), 16)
    return prefix + "".join([_DIGIT_PAIRS[bits >> shift & 1023] for shift in range(120, -1, -10)])


def parse_id(id_text: str, prefix: str = SEGMENT_PREFIX) -> str | None:
    """Return the UUID of either form, or None for an invalid id; the prefixed form is lower case only."""
    return None if len(id_text) > _MAX_LENGTH else _parse_id(id_text, prefix)


# The same segments are asked for again and again.
@lru_cache(maxsize=4_096)
def _parse_id(id_text: str, prefix: str) -> str | None:
    lower = id_text.lower()
    if _UUID_PATTERN.fullmatch(lower):
        return lower
    body = id_text.removeprefix(prefix)
    if body == id_text or not _BASE32_PATTERN.fullmatch(body):
        return None
    return _format_uuid(int(body.translate(_TO_INT_DIGITS), 32))
