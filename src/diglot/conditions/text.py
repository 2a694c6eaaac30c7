"""How text and numbers are compared: normal form, fold, blankness, spelling (semantics 4, 11, 12, 15).

These few functions are the only place that decides it; databases compare what these wrote.
"""

import math
import re
import unicodedata
from typing import Final

import msgspec

# Unicode White_Space, all 25 code points. U+200B and U+FEFF are not among them.
WHITE_SPACE: Final = (
    "\u0009\u000a\u000b\u000c\u000d\u0020\u0085\u00a0\u1680"
    "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1

_encode = msgspec.json.Encoder().encode
_NUMBER_PATTERN = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")


def to_nfc(text: str) -> str:
    """Return the text in normal form C."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def fold_case(text: str) -> str:
    """Return the form in which text is compared without regard to case."""
    return text.lower() if text.isascii() else to_nfc(to_nfc(text).casefold())


def normalize_email(text: str) -> str:
    """Return the form in which an e-mail address is stored and compared."""
    return to_nfc(to_nfc(text).lower())


def is_blank(text: str) -> bool:
    """Tell whether the text holds nothing but Unicode white space."""
    return not text.strip(WHITE_SPACE)


def scalar_to_text(value: str | float | bool) -> str:
    """Return a scalar as text: text in normal form, numbers and booleans as they are encoded."""
    return to_nfc(value) if isinstance(value, str) else _encode(value).decode()


def parse_number(text: str) -> int | float | None:
    """Read numeric text: an integer where it has no fraction and fits, else a double; else None."""
    if not _NUMBER_PATTERN.fullmatch(text):
        return None
    if "." not in text and INTEGER_MIN <= (whole := int(text)) <= INTEGER_MAX:
        return whole
    return float(text)


def is_number(value: object) -> bool:
    """Tell whether a JSON value is a number (a boolean is not)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_storable_number(value: float) -> bool:
    """Tell whether a number is one that Diglot stores: a 64-bit integer or a finite double."""
    if isinstance(value, int):
        return INTEGER_MIN <= value <= INTEGER_MAX
    return math.isfinite(value)
