"""A file of comma-separated values -> contacts as given, row by row.

The first row names the columns, in any spelling of a field; any other name is a custom field. An empty cell
says nothing. A column whose name speaks of opting out lowers the status (`opt_outs`). What a custom field
holds stays text: `007` would not survive as a number, and a rule compares numeric text with numbers as it is.
Without sound quotes no row has a certain end, so nothing of such a file is read; a row of too many or too few
cells is at fault alone.
"""

import csv
import enum
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from diglot.api.input import request_body
from diglot.api.input.contacts import IMPORTED
from diglot.api.opt_outs.columns import OptOutColumn, Reading
from diglot.api.opt_outs.names import column_of
from diglot.api.opt_outs.reader import OptOuts
from diglot.api.opt_outs.values import read_status
from diglot.conditions.fields import (
    FIELDS,
    FieldKind,
    attribute_key,
    find_key_fault,
    resolve_field,
    stricter,
)
from diglot.conditions.operands import OperandError
from diglot.conditions.text import WHITE_SPACE, parse_number
from diglot.errors import Fault, Invalid, Malformed, Path, TooLarge
from diglot.service.contacts.contact_input import GivenValue

MOST_CONTACTS: Final = 10_000
MOST_COLUMNS: Final = 1_000
# A fault of a row names its column: of the spellings of a field only those that people write are read.
LONGEST_COLUMN: Final = 200
# Blank ones included.
MOST_ROWS: Final = 10 * MOST_CONTACTS
# `metadata` is what they are in the older pages.
CONTAINERS: Final = ("custom_fields", "customFields", "metadata")
_YES: Final = ("true", "yes", "y", "t", "1", "on")
_NO: Final = ("false", "no", "n", "f", "0", "off")
_BOOLEANS: Final = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


@dataclass(frozen=True, slots=True)
class Content:
    """The catalogued fields and the attributes of a contact as given, and the status it is lowered to."""

    fields: dict[str, GivenValue]
    attributes: GivenValue | None
    lowered: str | None = None


Row = tuple[Path, Content | Invalid]


class _Part(enum.Enum):
    FIELD = enum.auto()
    ATTRIBUTE = enum.auto()
    ATTRIBUTES = enum.auto()
    IGNORED = enum.auto()
    NAMELESS = enum.auto()


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    part: _Part
    key: str = ""
    opt_out: OptOutColumn | None = None
    kept: bool = True


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


_FIELDS: Final = {_squeezed(spelling): field for spelling, field in IMPORTED.items()}
_CONTAINERS: Final = {_squeezed(name) for name in CONTAINERS}
# In the vendor's answers, and nobody's to write.
_IGNORED: Final = {_squeezed(name) for name in ("id", "updated_at", "lists", "list_id")}
_METADATA: Final = "metadata."
_LINE: Final = re.compile(r"[^\r\n]*")
# The second group is missing where the quotes do not end, and empty at the end of the text.
_QUOTED_TAG: Final = re.compile(rf'[{WHITE_SPACE}]*"(?:([^"]*(?:""[^"]*)*)"[{WHITE_SPACE}]*([,;]|\Z))?')
_PLAIN_TAG: Final = re.compile(r"([^,;]*)([,;]|\Z)")


def rows(body: bytes) -> list[Row]:
    """Return the contacts of a file, each with the row it stands in as a spreadsheet counts them.

    Raise `Malformed` or `Invalid` for a file that cannot be read, or that speaks of opting out in values that
    are not understood; `TooLarge` for too many rows.
    """
    records = _records(_decoded(body))
    number, header = next(records, (1, []))
    if not header:
        raise Malformed("The file is empty")
    if len(header) > MOST_COLUMNS:
        raise Malformed(f"A file has at most {MOST_COLUMNS:,} columns")
    if max(map(len, header)) > LONGEST_COLUMN:
        raise Malformed(f"The name of a column has at most {LONGEST_COLUMN} characters")
    columns = _columns(header, number)
    opt_outs = OptOuts()
    found: list[Row] = []
    for number, cells in records:
        if len(found) == MOST_CONTACTS:
            raise TooLarge(MOST_CONTACTS, "contacts")
        path = ("rows", number)
        found.append((path, _read(columns, cells, opt_outs, path)))
    if opt_outs.faults:
        raise Invalid(opt_outs.faults)
    return found


def split_tags(text: str) -> list[str]:
    """Return the tags of a text that has commas or semicolons between them; raise `Unfit`.

    The text is a row of CSV: a tag in quotes may hold both. Behind a semicolon quotes count only where the
    first tag has them too, because the quotes of `a;"b"` do not begin a cell of CSV.
    """
    tags: list[str] = []
    quoted_first = text.lstrip(WHITE_SPACE).startswith('"')
    quotes, start = True, 0
    while start <= len(text):
        if quotes and (quoted := _QUOTED_TAG.match(text, start)) is not None:
            if quoted[2] is None:
                raise OperandError("The quotes of a tag have to end, before a comma or a semicolon")
            tag, end, separator = quoted[1].replace('""', '"'), quoted.end(), quoted[2]
        else:
            plain = _PLAIN_TAG.match(text, start)
            assert plain is not None
            tag, end, separator = plain[1], plain.end(), plain[2]
        tags.append(tag.strip(WHITE_SPACE))
        quotes = separator == "," or quoted_first
        start = end if separator else len(text) + 1
    return [tag for tag in tags if tag]


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed(f"The file is not UTF-8 (byte {error.start + 1})") from None


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that hold anything, with their numbers."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=_delimiter(text), strict=True, skipinitialspace=True)
    try:
        for number, written in enumerate(reader, 1):
            if number > MOST_ROWS:
                raise TooLarge(MOST_ROWS, "rows")
            cells = [cell.strip(WHITE_SPACE) for cell in written]
            if any(cells):
                yield number, cells
    except csv.Error as error:
        raise Malformed(f"Line {reader.line_num} is not valid CSV: {error}") from None


def _delimiter(text: str) -> str:
    """Return what stands first between the names of the columns: spreadsheets write one of three."""
    header = _LINE.match(text.lstrip(" \r\n"))
    assert header is not None
    found = re.search("[,;\t]", re.sub('"[^"]*"', "", header[0]))
    return found[0] if found else ","


def _columns(header: list[str], number: int) -> list[_Column]:
    columns = [_column(name) for name in header]
    faults: list[Fault] = []
    seen: dict[tuple[_Part, str], str] = {}
    for column in columns:
        path = ("rows", number, column.name)
        if column.part is _Part.ATTRIBUTE and (message := find_key_fault(column.key)) is not None:
            faults.append(Fault(path, message))
        meant = (column.part, column.key)
        if column.key and meant in seen:
            faults.append(Fault(path, f"Says the same as {seen[meant]}"))
        seen.setdefault(meant, column.name)
    if (_Part.FIELD, "email") not in seen:
        faults.append(Fault(("email",), "No column has this name"))
    if faults:
        raise Invalid(faults)
    return columns


def _column(name: str) -> _Column:
    squeezed = _squeezed(name)
    if not name:
        return _Column(name, _Part.NAMELESS)
    if (field := _FIELDS.get(squeezed)) is not None:
        return _Column(name, _Part.FIELD, field)
    if squeezed in _CONTAINERS:
        return _Column(name, _Part.ATTRIBUTES)
    if squeezed in _IGNORED:
        return _Column(name, _Part.IGNORED)
    if name.startswith(_METADATA):
        key = name.removeprefix(_METADATA)
        return _Column(name, _Part.ATTRIBUTE, key, column_of(key))
    key = attribute_key(resolve_field(name)) or ""
    opt_out = column_of(key)
    # A column that is no more than a status is not stored beside it, unless a prefix makes it an attribute.
    kept = opt_out is None or opt_out.reading is not Reading.OPT_OUT or key != name
    return _Column(name, _Part.ATTRIBUTE, key, opt_out, kept)


def _read(columns: list[_Column], cells: list[str], opt_outs: OptOuts, path: Path) -> Content | Invalid:
    if len(cells) != len(columns):
        return Invalid.at((), f"Expected {len(columns)} cells, received {len(cells)}")
    fields: dict[str, GivenValue] = {}
    attributes: dict[str, Any] = {}
    faults: list[Fault] = []
    lowered: str | None = None
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        here = (*path, column.name)
        lowered = stricter(lowered, opt_outs.read(column.opt_out, column.name, cell, here))
        if column.part is _Part.FIELD:
            fields[column.key] = GivenValue(_value(column, cell, faults), (column.name,))
        elif column.part is _Part.NAMELESS:
            faults.append(Fault((), "A cell stands in a column without a name"))
        else:
            more = _attributes(column, cell, faults)
            faults += [Fault((column.name,), f"{key} is given twice") for key in more if key in attributes]
            attributes |= more
            if column.part is _Part.ATTRIBUTES:
                lowered = stricter(lowered, opt_outs.read_object(more, here))
    return Invalid(faults) if faults else Content(fields, GivenValue(attributes, ()), lowered)


def _attributes(column: _Column, cell: str, faults: list[Fault]) -> dict[str, Any]:
    if column.part is _Part.IGNORED:
        return {}
    if column.part is _Part.ATTRIBUTE:
        return {column.key: cell} if column.kept else {}
    try:
        found = request_body.decode(cell.encode(), (column.name,))
    except Invalid:
        found = None
    if isinstance(found, dict):
        return found
    faults.append(Fault((column.name,), "Expected an object in JSON"))
    return {}


def _value(column: _Column, cell: str, faults: list[Fault]) -> Any:
    """Return the value that a cell stands for, or the text of one that stands for none, to be refused."""
    kind = FIELDS[column.key].kind
    if kind is FieldKind.TAGS:
        return _tags(column, cell, faults)
    if kind is FieldKind.CHOICE:
        return read_status(cell)
    if kind is FieldKind.BOOLEAN:
        return _BOOLEANS.get(cell.lower(), cell)
    number = parse_number(cell) if kind is FieldKind.NUMBER else None
    return cell if number is None else number


def _tags(column: _Column, cell: str, faults: list[Fault]) -> list[str]:
    try:
        return split_tags(cell)
    except OperandError as unfit:
        faults.append(Fault((column.name,), str(unfit)))
        return []
