"""A file of comma-separated values -> contacts as given, row by row.

The first row names the columns, in any spelling of a field; any other name is a custom field. An empty cell
says nothing. What a custom field holds stays text: `007` would not survive as a number, and a rule compares
numeric text with numbers as it is. Without sound quotes no row has a certain end, so nothing of such a file
is read; a row of too many or too few cells is at fault alone.
"""

import csv
import enum
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from diglot.conditions.fields import FIELDS, Kind, attribute_key, key_fault, resolve
from diglot.conditions.text import WHITE_SPACE, numeric
from diglot.dialects import bodies
from diglot.dialects.contact_bodies import IMPORTED
from diglot.errors import Fault, Invalid, Malformed, Path, TooLarge
from diglot.service.contact_values import Given

MOST_CONTACTS: Final = 10_000
MOST_COLUMNS: Final = 1_000
# A fault of a row names its column: of the spellings of a field only those that people write are read.
LONGEST_COLUMN: Final = 200
# Blank ones included.
MOST_ROWS: Final = 10 * MOST_CONTACTS
# `metadata` is what they are in the older pages.
CONTAINERS: Final = ("custom_fields", "customFields", "metadata")
# The catalogued fields and the attributes of a contact, as given.
Content = tuple[dict[str, Given], Given | None]
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


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


_FIELDS: Final = {_squeezed(spelling): field for spelling, field in IMPORTED.items()}
_CONTAINERS: Final = {_squeezed(name) for name in CONTAINERS}
# In the vendor's answers, and nobody's to write.
_IGNORED: Final = {_squeezed(name) for name in ("id", "updated_at", "lists", "list_id")}
_METADATA: Final = "metadata."
_LINE: Final = re.compile(r"[^\r\n]*")


def rows(body: bytes) -> list[Row]:
    """Return the contacts of a file, each with the row it stands in as a spreadsheet counts them.

    Raise `Malformed` or `Invalid` for a file that cannot be read, `TooLarge` for too many rows.
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
    found: list[Row] = []
    for number, cells in records:
        if len(found) == MOST_CONTACTS:
            raise TooLarge(MOST_CONTACTS, "contacts")
        found.append((("rows", number), _read(columns, cells)))
    return found


def split_tags(text: str) -> list[str]:
    """Return the tags of a text that has commas or semicolons between them."""
    parts = [part.strip(WHITE_SPACE) for part in re.split("[,;]", text)]
    return [part for part in parts if part]


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
        if column.part is _Part.ATTRIBUTE and (message := key_fault(column.key)) is not None:
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
        return _Column(name, _Part.ATTRIBUTE, name.removeprefix(_METADATA))
    return _Column(name, _Part.ATTRIBUTE, attribute_key(resolve(name)) or "")


def _read(columns: list[_Column], cells: list[str]) -> Content | Invalid:
    if len(cells) != len(columns):
        return Invalid.at((), f"Expected {len(columns)} cells, received {len(cells)}")
    fields: dict[str, Given] = {}
    attributes: dict[str, Any] = {}
    faults: list[Fault] = []
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        if column.part is _Part.FIELD:
            fields[column.key] = Given(_value(FIELDS[column.key].kind, cell), (column.name,))
        elif column.part is _Part.NAMELESS:
            faults.append(Fault((), "A cell stands in a column without a name"))
        else:
            more = _attributes(column, cell, faults)
            faults += [Fault((column.name,), f"{key} is given twice") for key in more if key in attributes]
            attributes |= more
    return Invalid(faults) if faults else (fields, Given(attributes, ()))


def _attributes(column: _Column, cell: str, faults: list[Fault]) -> dict[str, Any]:
    if column.part is _Part.IGNORED:
        return {}
    if column.part is _Part.ATTRIBUTE:
        return {column.key: cell}
    try:
        found = bodies.decode(cell.encode(), (column.name,))
    except Invalid:
        found = None
    if isinstance(found, dict):
        return found
    faults.append(Fault((column.name,), "Expected an object in JSON"))
    return {}


def _value(kind: Kind, cell: str) -> Any:
    """Return the value that a cell stands for; what stands for none is told as the text it is."""
    if kind is Kind.TAGS:
        return split_tags(cell)
    if kind is Kind.CHOICE:
        return cell.lower()
    if kind is Kind.BOOLEAN:
        return {"true": True, "false": False}.get(cell.lower(), cell)
    number = numeric(cell) if kind is Kind.NUMBER else None
    return cell if number is None else number
