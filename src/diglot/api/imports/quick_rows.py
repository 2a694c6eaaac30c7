"""Reads rows without faults, which are almost all, in a quarter of the time.

What depends on the column alone is found out once, and cells that repeat are read once. Whatever is not plain
(a fault, custom fields as JSON, a cell too many) is left to the reader that finds faults, so this one decides
nothing by itself: it asks the same readers of cells.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from diglot.api.imports.cells import convert_cell
from diglot.api.imports.columns import Column, ColumnRole
from diglot.api.imports.file_contact import ATTRIBUTES_KEY, file_reader
from diglot.api.input.contacts import ContactValues
from diglot.api.input.value_readers import Given
from diglot.api.opt_outs.columns import OptOutColumn
from diglot.api.opt_outs.values import status_of
from diglot.conditions.addresses import ADDRESS_FAULT, find_address_fault
from diglot.conditions.fields import FIELDS, FieldKind, stricter
from diglot.conditions.operands import OperandError
from diglot.conditions.text import find_text_fault
from diglot.errors import InvalidInput

# Distinct cells of a column that are remembered.
_MOST_REMEMBERED: Final = 1_000
_NOTHING: Final = object()
_LONGEST_ADDRESS: Final = FIELDS["email"].max_length
# The values of a contact and the status that it is lowered to.
QuickRow = tuple[ContactValues, str | None]
ReadCell = Callable[[str], Any]


class QuickRows:
    """Reads the plain rows of a file with these columns."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._width = len(columns)
        self._texts: list[tuple[int, str, int]] = []
        self._fields: list[tuple[int, str, ReadCell]] = []
        self._attributes: list[tuple[int, str]] = []
        self._opt_outs: list[tuple[int, ReadCell]] = []
        # Where a date came from, which is completed later.
        self._given: dict[str, Given] = {}
        # The places of cells that have to be empty.
        self._others: list[int] = []
        for place, column in enumerate(columns):
            self._add_column(place, column)

    def read(self, cells: Sequence[str]) -> QuickRow | None:
        """Return the contact of a row; None if the row is not plain."""
        cells = self._fit(cells)
        fields: dict[str, Any] = {}
        lowered: str | None = None
        try:
            for place, name, most in self._texts:
                if cell := cells[place]:
                    if len(cell) > most:
                        return None
                    fields[name] = cell
            for place, name, read in self._fields:
                if (cell := cells[place]) and (value := read(cell)) is not _NOTHING:
                    fields[name] = value
            for place, read in self._opt_outs:
                if cell := cells[place]:
                    lowered = stricter(lowered, read(cell))
        except (InvalidInput, OperandError, IndexError):
            return None
        if "email" not in fields:
            return None
        attributes = {key: cell for place, key in self._attributes if (cell := cells[place])}
        return ContactValues(fields, attributes, given=self._given), lowered

    def _fit(self, cells: Sequence[str]) -> Sequence[str]:
        """Return a cell for each column; none if that is no plain row."""
        if len(cells) != self._width:
            cells = [*cells, *[""] * (self._width - len(cells))]
        text = "".join(cells)
        # ASCII has one character only that is a fault, and that is found faster alone.
        is_sound = "\0" not in text if text.isascii() else find_text_fault(text) is None
        is_plain = is_sound and len(cells) == self._width
        return () if not is_plain or any(map(cells.__getitem__, self._others)) else cells

    def _add_column(self, place: int, column: Column) -> None:
        if column.opt_out is not None:
            self._opt_outs.append((place, _remember(_read_opt_out(column.opt_out))))
        if column.role is ColumnRole.ATTRIBUTE:
            if column.kept:
                self._attributes.append((place, _find_key(column.key)))
        elif column.role is ColumnRole.FIELD and column.key != "subscribed":
            field = FIELDS[column.key]
            if field.kind is FieldKind.TEXT and field.name != "email":
                self._texts.append((place, field.name, field.max_length))
            else:
                read = _read_field(column)
                self._given[field.name] = Given("", (column.name,))
                # Tags, words, scores and days repeat, addresses do not.
                self._fields.append((place, field.name, read if field.name == "email" else _remember(read)))
        elif column.role is not ColumnRole.IGNORED:
            self._others.append(place)


def _read_opt_out(column: OptOutColumn) -> ReadCell:
    return lambda cell: status_of(column, cell)


def _read_field(column: Column) -> ReadCell:
    """Return the reader of a field's cells; it returns `_NOTHING` for a cell that says nothing."""
    if column.key == "email":
        return partial(_read_address, column)
    read = file_reader().reader_of(column.key)

    def read_cell(cell: str) -> Any:
        value = convert_cell(column, cell)
        return _NOTHING if value == [] else read(Given(value, ()))

    return read_cell


def _read_address(column: Column, cell: str) -> str:
    """Return an address; raise `OperandError` for one that its reader may not accept.

    The reader would also match the pattern of the documents, which all of these match.
    """
    address: str = convert_cell(column, cell)
    if len(address) > _LONGEST_ADDRESS or find_address_fault(address) is not None:
        raise OperandError(ADDRESS_FAULT)
    return address


def _find_key(key: str) -> str:
    """Return a key of a custom field as it is stored."""
    given = {ATTRIBUTES_KEY: Given({key: ""}, ()), "email": Given("a@example.com", ())}
    (stored,) = file_reader().read_fields(given).attributes
    return str(stored)


def _remember(read: ReadCell) -> ReadCell:
    known: dict[str, Any] = {}

    def read_cell(cell: str) -> Any:
        value = known.get(cell, known)
        if value is known:
            value = read(cell)
            if len(known) < _MOST_REMEMBERED:
                known[cell] = value
        return value

    return read_cell
