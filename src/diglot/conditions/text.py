"""Text and numbers in the forms in which they are compared (semantics 4, 11, 12, 15).

Only these functions normalize and fold text; databases compare the forms that they return.
"""

import math
import re
import unicodedata
from typing import Final

import msgspec

# Unicode White_Space, all 25 code points. U+200B and U+FEFF do not belong to it.
WHITE_SPACE: Final = (
    "\u0009\u000a\u000b\u000c\u000d\u0020\u0085\u00a0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1

_encode = msgspec.json.Encoder().encode
_FORBIDDEN: Final = re.compile(r"[\x00\ud800-\udfff]")
_NUMBER_PATTERN = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")
# Most texts begin with a letter, which costs a sixth of a failed match to see.
_NUMBER_BEGINNINGS: Final = frozenset("+-0123456789")


def to_nfc(text: str) -> str:
    """Return text in Unicode normalization form C."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fold_case(text: str) -> str:
    """Return the case-insensitive form of text: casefolded and in normal form C."""
    return text.lower() if text.isascii() else to_nfc(to_nfc(text).casefold())


def normalize_name(name: str) -> str:
    """Return the stored form of a tag or an attribute key: normal form C, no white space at its ends."""
    return to_nfc(name).strip(WHITE_SPACE)


def is_blank(text: str) -> bool:
    """Tell whether text contains only Unicode white space."""
    return not text.strip(WHITE_SPACE)


def find_text_fault(text: str) -> str | None:
    """Return the fault of a string that contains U+0000 or a lone surrogate, or None (semantics 17)."""
    return "Text holds no U+0000 and no lone surrogate" if _FORBIDDEN.search(text) else None


def scalar_to_text(value: str | float | bool) -> str:
    """Return a scalar as text: a string in normal form, a number or boolean in its JSON encoding."""
    return to_nfc(value) if isinstance(value, str) else _encode(value).decode()


def parse_number(text: str) -> int | float | None:
    """Parse a number: an integer if it is whole and fits 64 bits, else a double; None for other text."""
    if text[:1] not in _NUMBER_BEGINNINGS or not _NUMBER_PATTERN.fullmatch(text):
        return None
    if "." not in text and INTEGER_MIN <= (integer := int(text)) <= INTEGER_MAX:
        return integer
    return float(text)


def is_number(value: object) -> bool:
    """Tell whether a JSON value is a number; a boolean is not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_storable_number(value: float) -> bool:
    """Tell whether Diglot can store a number: a 64-bit integer or a finite double."""
    if isinstance(value, int):
        return INTEGER_MIN <= value <= INTEGER_MAX
    return math.isfinite(value)
