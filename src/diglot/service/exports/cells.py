"""The text of a value in a file of comma-separated values.

An import reads it back: instants with their microseconds, numbers without an exponent, tags and lists as a
row of CSV inside the cell. A missing value is an empty cell. An attribute that is no text is its JSON.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from diglot.conditions import dates
from diglot.conditions.fields import FIELDS, FieldKind
from diglot.conditions.text import WHITE_SPACE

# A spreadsheet computes a cell that begins with one of these; some pass over white space before them, and
# what follows a tab or the end of a line can become a cell of its own.
_OF_FORMULAS: Final = ("=", "+", "-", "@")
_OF_CELLS: Final = ("\t", "\r", "\n")
# What a tag is quoted for. White space at its ends belongs to no tag.
_SEPARATORS: Final = frozenset(',;"')
_NO_TAGS: Final = "[]"
_decode_tags: Final = msgspec.json.Decoder(list[str]).decode
_decode_text: Final = msgspec.json.Decoder(str).decode


def escape_formula(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: with an apostrophe before what begins one."""
    begins_one = cell.startswith(_OF_CELLS) or cell.lstrip(WHITE_SPACE).startswith(_OF_FORMULAS)
    return f"'{cell}" if begins_one else cell


def join_tags(tags: str) -> str:
    """Return tags (JSON) as one row of CSV."""
    return "" if tags == _NO_TAGS else ",".join(map(_quote_tag, _decode_tags(tags)))


def _quote_tag(tag: str) -> str:
    return tag if _SEPARATORS.isdisjoint(tag) else f'"{tag.replace(chr(34), chr(34) * 2)}"'


def format_number(number: float) -> str:
    """Return a number as decimal digits: whole numbers without a fraction, and none with an exponent."""
    if number == int(number):
        return str(int(number))
    text = repr(number)
    return format(Decimal(text), "f") if "e" in text else text


def format_attribute(value: bytes | memoryview) -> str:
    """Return an encoded attribute as text: a string as it is, null as nothing, any other value as JSON."""
    encoded = bytes(value)
    if encoded[:1] == b'"':
        return _decode_text(encoded)
    return "" if encoded == b"null" else encoded.decode()


_BY_KIND: Final[Mapping[FieldKind, Callable[[Any], str]]] = {
    FieldKind.INSTANT: dates.format_instant,
    FieldKind.NUMBER: format_number,
    FieldKind.TAGS: join_tags,
}


def formatter_of(field: str) -> Callable[[Any], str] | None:
    """Return the function that formats the stored value of a field, None for text."""
    return _BY_KIND.get(FIELDS[field].kind) if field in FIELDS else None
