"""Reads a file of comma-separated values into one unchecked contact per row.

The first row names the columns, in any spelling of a field; any other name is a custom field. An empty cell
counts as missing. A column whose name means an opt-out lowers the status (`opt_outs`). The value of a custom
field stays text, because `007` would lose its zeros as a number, and rules compare numeric text with numbers
anyway. A file with unbalanced quotes is rejected as a whole, because the end of its rows is uncertain. A row
with too many or too few cells is rejected alone.
"""

import csv
import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from diglot.api.input import request_body
from diglot.api.input.value_readers import Given
from diglot.api.opt_outs.columns import OptOutColumn, Reading
from diglot.api.opt_outs.names import column_of
from diglot.api.opt_outs.reader import OptOuts
from diglot.api.opt_outs.values import read_status
from diglot.conditions.addresses import strip_format_characters
from diglot.conditions.fields import FIELDS, FieldKind, attribute_key, find_key_fault, resolve_field, stricter
from diglot.conditions.operands import OperandError
from diglot.conditions.text import WHITE_SPACE, normalize_name, parse_number
from diglot.dialects.misar.contacts.bulk_wire import MAX_CONTACTS, import_reader
from diglot.dialects.misar.contacts.tag_text import split_tags
from diglot.dialects.misar.contacts.wire import ATTRIBUTE_CONTAINERS, ATTRIBUTES_KEY
from diglot.errors import ContentTooLarge, Fault, InvalidInput, MalformedRequest, Path

MAX_COLUMNS: Final = 1_000
# A fault in a row names its column, so only the spellings that people write are accepted as column names.
MAX_COLUMN_LENGTH: Final = 200
# Blank rows count too.
MAX_ROWS: Final = 10 * MAX_CONTACTS
# The vendor's older pages call custom fields `metadata`.
_YES: Final = ("true", "yes", "y", "t", "1", "on")
_NO: Final = ("false", "no", "n", "f", "0", "off")
_BOOLEANS: Final = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


@dataclass(frozen=True, slots=True)
class ContactInput:
    """The known fields of a contact and its attributes, unread, and the status that an opt-out sets."""

    fields: dict[str, Given]
    lowered: str | None = None


InputRow = tuple[Path, ContactInput | InvalidInput]


@dataclass(frozen=True, slots=True)
class InputTable:
    """The contacts of an import, and the names of the columns that are stored as custom fields."""

    rows: list[InputRow]
    custom_columns: list[str] = field(default_factory=list)


class _ColumnRole(enum.Enum):
    FIELD = enum.auto()
    ATTRIBUTE = enum.auto()
    ATTRIBUTES = enum.auto()
    IGNORED = enum.auto()
    NAMELESS = enum.auto()


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    role: _ColumnRole
    key: str = ""
    opt_out: OptOutColumn | None = None
    kept: bool = True


def _squeeze_name(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).casefold()


@cache
def _field_by_name() -> dict[str, str]:
    """Return the field for each spelling of a column."""
    return {_squeeze_name(spelling): name for spelling, name in import_reader().spellings.items()}


_CONTAINER_NAMES: Final = {_squeeze_name(name) for name in ATTRIBUTE_CONTAINERS}
# The vendor's responses contain these fields, but clients cannot write them.
_IGNORED_NAMES: Final = {_squeeze_name(name) for name in ("id", "updated_at", "lists", "list_id")}
_METADATA_PREFIX: Final = "metadata."
_LINE: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_FIRST_LINE: Final = re.compile(r"[^\r\n]*")


def read_rows(body: bytes) -> InputTable:
    """Return the contacts of a file, each with its row number as a spreadsheet shows it.

    Raise `MalformedRequest` or `InvalidInput` for a file that cannot be read or has unknown values in an
    opt-out column; `ContentTooLarge` for too many rows.
    """
    records = _iterate_records(_decode_text(body))
    number, header = next(records, (1, []))
    if not header:
        raise MalformedRequest("The file is empty")
    if len(header) > MAX_COLUMNS:
        raise MalformedRequest(f"A file has at most {MAX_COLUMNS:,} columns")
    if max(map(len, header)) > MAX_COLUMN_LENGTH:
        raise MalformedRequest(f"The name of a column has at most {MAX_COLUMN_LENGTH} characters")
    columns = _read_columns(header, number)
    opt_outs = OptOuts()
    rows: list[InputRow] = []
    for number, cells in records:
        if len(rows) == MAX_CONTACTS:
            raise ContentTooLarge(MAX_CONTACTS, "contacts")
        path = ("rows", number)
        rows.append((path, _read_row(columns, cells, opt_outs, path)))
    if opt_outs.faults:
        raise InvalidInput(opt_outs.faults)
    custom = [one.name for one in columns if one.role is _ColumnRole.ATTRIBUTE and one.kept]
    return InputTable(rows, custom)


def _decode_text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedRequest(f"The file is not UTF-8 (byte {error.start + 1})") from None


def _iterate_records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with their numbers."""
    # A text buffer would copy a large file in one step, and hold up all other threads meanwhile.
    lines = (line[0] for line in _LINE.finditer(text))
    reader = csv.reader(lines, delimiter=_detect_delimiter(text), strict=True, skipinitialspace=True)
    try:
        for number, written in enumerate(reader, 1):
            if number > MAX_ROWS:
                raise ContentTooLarge(MAX_ROWS, "rows")
            cells = [cell.strip(WHITE_SPACE) for cell in written]
            if any(cells):
                yield number, cells
    except csv.Error as error:
        raise MalformedRequest(f"Line {reader.line_num} is not valid CSV: {error}") from None


def _detect_delimiter(text: str) -> str:
    """Return the first separator in the header row: comma, semicolon or tab."""
    header = _FIRST_LINE.match(text.lstrip(" \r\n"))
    assert header is not None
    delimiter = re.search("[,;\t]", re.sub('"[^"]*"', "", header[0]))
    return delimiter[0] if delimiter else ","


def _read_columns(header: list[str], number: int) -> list[_Column]:
    columns = [_classify_column(strip_format_characters(name)) for name in header]
    faults: list[Fault] = []
    seen: dict[tuple[_ColumnRole, str], str] = {}
    for column in columns:
        path = ("rows", number, column.name)
        if column.role is _ColumnRole.ATTRIBUTE and (message := find_key_fault(column.key)) is not None:
            faults.append(Fault(path, message))
        meant = (column.role, column.key)
        if column.key and meant in seen:
            faults.append(Fault(path, f"Says the same as {seen[meant]}"))
        seen.setdefault(meant, column.name)
    if (_ColumnRole.FIELD, "email") not in seen:
        faults.append(Fault(("email",), "No column has this name"))
    if faults:
        raise InvalidInput(faults)
    return columns


def _classify_column(name: str) -> _Column:
    squeezed = _squeeze_name(name)
    if not name:
        return _Column(name, _ColumnRole.NAMELESS)
    if (known := _field_by_name().get(squeezed)) is not None:
        return _Column(name, _ColumnRole.FIELD, known)
    if squeezed in _CONTAINER_NAMES:
        return _Column(name, _ColumnRole.ATTRIBUTES)
    if squeezed in _IGNORED_NAMES:
        return _Column(name, _ColumnRole.IGNORED)
    if name.startswith(_METADATA_PREFIX):
        key = normalize_name(name.removeprefix(_METADATA_PREFIX))
        return _Column(name, _ColumnRole.ATTRIBUTE, key, column_of(key))
    key = attribute_key(resolve_field(name)) or ""
    opt_out = column_of(key)
    # A column that only sets the status is not stored as an attribute, unless it has the attribute prefix.
    kept = opt_out is None or opt_out.reading is not Reading.OPT_OUT or key != name
    return _Column(name, _ColumnRole.ATTRIBUTE, key, opt_out, kept)


def _read_row(
    columns: list[_Column], cells: list[str], opt_outs: OptOuts, path: Path
) -> ContactInput | InvalidInput:
    if len(cells) != len(columns):
        return InvalidInput.at((), f"Expected {len(columns)} cells, received {len(cells)}")
    fields: dict[str, Given] = {}
    attributes: dict[str, Any] = {}
    faults: list[Fault] = []
    lowered: str | None = None
    for column, cell in zip(columns, cells, strict=True):
        if not cell:
            continue
        cell_path = (*path, column.name)
        lowered = stricter(lowered, opt_outs.read(column.opt_out, column.name, cell, cell_path))
        if column.role is _ColumnRole.FIELD:
            fields[column.key] = Given(_convert_cell(column, cell, faults), (column.name,))
        elif column.role is _ColumnRole.NAMELESS:
            faults.append(Fault((), "A cell stands in a column without a name"))
        else:
            cell_attributes = _read_attributes(column, cell, faults)
            faults += [
                Fault((column.name,), f"{key} is given twice") for key in cell_attributes if key in attributes
            ]
            attributes |= cell_attributes
            if column.role is _ColumnRole.ATTRIBUTES:
                lowered = stricter(lowered, opt_outs.read_object(cell_attributes, cell_path))
    fields[ATTRIBUTES_KEY] = Given(attributes, ())
    return InvalidInput(faults) if faults else ContactInput(fields, lowered)


def _read_attributes(column: _Column, cell: str, faults: list[Fault]) -> dict[str, Any]:
    if column.role is _ColumnRole.IGNORED:
        return {}
    if column.role is _ColumnRole.ATTRIBUTE:
        return {column.key: cell} if column.kept else {}
    try:
        value = request_body.decode_value(cell.encode(), (column.name,))
    except InvalidInput:
        value = None
    if isinstance(value, dict):
        return value
    faults.append(Fault((column.name,), "Expected an object in JSON"))
    return {}


def _convert_cell(column: _Column, cell: str, faults: list[Fault]) -> Any:
    """Return the value of a cell, or its text if the value is invalid, so that the check rejects it."""
    if column.key == "email":
        return strip_format_characters(cell)
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
