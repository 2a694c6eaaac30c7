"""The formats of an export: comma-separated values, and one JSON object in each line.

A row is made by one function for each column, chosen once, because a file may have a million rows.
"""

import csv
import enum
import io
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Protocol

import msgspec

from diglot.conditions import dates
from diglot.conditions.fields import FIELDS, FieldKind
from diglot.model.contacts import SUBSCRIBED, Contact
from diglot.service.exports import cells
from diglot.service.exports.columns import (
    ATTRIBUTES,
    CONTAINERS,
    EMAIL,
    LISTS,
    is_attribute,
    key_of,
    needs_attributes,
)

_Attributes = Mapping[str, msgspec.Raw]
_decode_attributes: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode_lines: Final = msgspec.json.Encoder().encode_lines
_NOTHING: Final = msgspec.Raw(b"null")
# Read as separators in the line of names, which an import reads before it knows the separator.
_FOREIGN_SEPARATORS: Final = ";\t"


class ExportFormat(enum.StrEnum):
    """The format of a file."""

    CSV = "csv"
    NDJSON = "ndjson"


MEDIA_TYPES: Final = {ExportFormat.CSV: "text/csv", ExportFormat.NDJSON: "application/x-ndjson"}


class Row(msgspec.Struct, frozen=True):
    """A contact, its attributes if a column needs them decoded, and the ids of its static lists."""

    contact: Contact
    attributes: _Attributes
    lists: Sequence[str]


class Writer(Protocol):
    """Writes a file in parts: what precedes the first row, and then rows."""

    def encode_head(self) -> bytes: ...

    def encode_rows(self, contacts: Sequence[Contact], lists: Mapping[int, Sequence[str]]) -> bytes: ...


def _rows_of(contacts: Sequence[Contact], lists: Mapping[int, Sequence[str]], *, decode: bool) -> list[Row]:
    return [
        Row(one, _decode_attributes(one.attributes) if decode else {}, lists.get(one.pk, ()))
        for one in contacts
    ]


class CsvWriter:
    """Writes comma-separated values (RFC 4180) in UTF-8; the first line names the columns."""

    def __init__(self, columns: Sequence[str], *, escapes_formulas: bool) -> None:
        self._columns = columns
        self._decode = needs_attributes(columns)
        self._cells = [_cell_of(name) for name in columns]
        self._escapes = escapes_formulas

    def encode_head(self) -> bytes:
        """Return the line of names."""
        return (",".join(map(_quote_name, self._columns)) + "\r\n").encode()

    def encode_rows(self, contacts: Sequence[Contact], lists: Mapping[int, Sequence[str]]) -> bytes:
        """Return one row for each contact."""
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\r\n")
        for row in _rows_of(contacts, lists, decode=self._decode):
            found = [cell(row) for cell in self._cells]
            if self._escapes:
                found = [cell and cells.escape_formula(cell) for cell in found]
            writer.writerow(found)
        return written.getvalue().encode()


def _quote_name(name: str) -> str:
    quoted = "," in name or any(one in name for one in _FOREIGN_SEPARATORS)
    return f'"{name}"' if quoted else name


def _getter_of(name: str) -> Callable[[Row], Any]:
    """Return the function that reads a field of a contact; an address is shown as it was sent."""
    return attrgetter("contact.shown_email" if name == EMAIL else f"contact.{name}")


def _cell_of(name: str) -> Callable[[Row], str | None]:
    if is_attribute(name):
        key = key_of(name)
        return lambda row: cells.format_attribute(row.attributes.get(key, _NOTHING))
    if name in CONTAINERS:
        return lambda row: row.contact.attributes
    if name == LISTS:
        return lambda row: ",".join(row.lists)
    if name == "subscribed":
        return lambda row: "true" if row.contact.status == SUBSCRIBED else "false"
    get, text = _getter_of(name), cells.formatter_of(name)
    if text is None:
        return get
    return lambda row: None if (value := get(row)) is None else text(value)


class NdjsonWriter:
    """Writes one JSON object in each line, with the types of all values; chosen attributes are one object."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._keys = [key_of(name) for name in columns if is_attribute(name)]
        plain = [name for name in columns if not is_attribute(name)]
        self._values = {name: _value_of(name) for name in plain}
        if self._keys and ATTRIBUTES not in self._values:
            self._values[ATTRIBUTES] = self._chosen_attributes

    def encode_head(self) -> bytes:
        """Return nothing, because each line names its values."""
        return b""

    def encode_rows(self, contacts: Sequence[Contact], lists: Mapping[int, Sequence[str]]) -> bytes:
        """Return one line for each contact."""
        rows = _rows_of(contacts, lists, decode=bool(self._keys))
        return _encode_lines([{name: value(row) for name, value in self._values.items()} for row in rows])

    def _chosen_attributes(self, row: Row) -> dict[str, msgspec.Raw]:
        return {key: row.attributes[key] for key in self._keys if key in row.attributes}


_VALUES_BY_KIND: Final[Mapping[FieldKind, Callable[[Any], Any]]] = {
    FieldKind.INSTANT: dates.format_instant,
    FieldKind.NUMBER: lambda number: int(number) if number == int(number) else number,
    FieldKind.TAGS: lambda tags: msgspec.Raw(tags.encode()),
}


def _value_of(name: str) -> Callable[[Row], Any]:
    if name in CONTAINERS:
        return lambda row: msgspec.Raw(row.contact.attributes.encode())
    if name == LISTS:
        return lambda row: row.lists
    if name == "subscribed":
        return lambda row: row.contact.status == SUBSCRIBED
    get = _getter_of(name)
    convert = _VALUES_BY_KIND.get(FIELDS[name].kind) if name in FIELDS else None
    if convert is None:
        return get
    return lambda row: None if (value := get(row)) is None else convert(value)


def open_writer(format_: ExportFormat, columns: Sequence[str], *, escapes_formulas: bool) -> Writer:
    """Return the writer of a format."""
    if format_ is ExportFormat.NDJSON:
        return NdjsonWriter(columns)
    return CsvWriter(columns, escapes_formulas=escapes_formulas)
