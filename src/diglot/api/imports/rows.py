"""Reads the rows of a file into checked contacts.

An empty cell counts as missing. A column whose name means an opt-out lowers the status (`opt_outs`). The
value of a custom field stays text, because `007` would lose its zeros as a number, and rules compare numeric
text with numbers anyway. A file with unbalanced quotes is rejected as a whole, because the end of its rows is
uncertain. A row without its last cells says nothing of them, because spreadsheets leave empty ones out. A row
that has more cells than columns is rejected alone, unless the others are empty.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from diglot.api.imports.cells import convert_cell
from diglot.api.imports.columns import Column, ColumnRole
from diglot.api.imports.file_contact import ATTRIBUTES_KEY, file_reader
from diglot.api.imports.quick_rows import QuickRows
from diglot.api.input import request_body
from diglot.api.input.contacts import ContactValues
from diglot.api.input.value_readers import Given
from diglot.api.opt_outs.reader import OptOuts
from diglot.conditions.fields import stricter
from diglot.conditions.operands import OperandError
from diglot.errors import Fault, InvalidInput, Path


class FileRow(msgspec.Struct, frozen=True, gc=False):
    """The checked values of a contact, and the status that an opt-out lowers it to."""

    values: ContactValues
    lowered: str | None = None


class RowReader:
    """Reads the rows of a file with these columns; unknown values of opt-outs are `opt_outs.faults`."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.opt_outs = OptOuts()
        self._columns = columns
        self._quick = QuickRows(columns)
        self._lowering = [
            (place, column)
            for place, column in enumerate(columns)
            if column.opt_out is not None or column.role is ColumnRole.ATTRIBUTES
        ]

    def check_opt_outs(self, number: int, cells: Sequence[str]) -> None:
        """Read only what may lower a status, for its faults."""
        for place, column in self._lowering:
            if place < len(cells) and cells[place]:
                _RowInProgress(("rows", number), self.opt_outs).add_cell(column, cells[place])

    def read(self, number: int, cells: Sequence[str]) -> FileRow:
        """Return the contact of a row; raise `InvalidInput` with its faults, whose paths begin in the row."""
        quick = self._quick.read(cells)
        return self._read_with_faults(number, cells) if quick is None else FileRow(*quick)

    def _read_with_faults(self, number: int, cells: Sequence[str]) -> FileRow:
        columns = self._columns
        if len(cells) > len(columns) and any(cells[len(columns) :]):
            raise InvalidInput.at((), f"Expected {len(columns)} cells, received {len(cells)}")
        row = _RowInProgress(("rows", number), self.opt_outs)
        for column, cell in zip(columns, cells, strict=False):
            if cell:
                row.add_cell(column, cell)
        if row.faults:
            raise InvalidInput(row.faults)
        row.fields[ATTRIBUTES_KEY] = Given(row.attributes, ())
        return FileRow(file_reader().read_fields(row.fields), row.lowered)


class _RowInProgress:
    """The fields and custom fields of a row so far."""

    def __init__(self, path: Path, opt_outs: OptOuts) -> None:
        self.fields: dict[str, Given] = {}
        self.attributes: dict[str, Any] = {}
        self.faults: list[Fault] = []
        self.lowered: str | None = None
        self._path = path
        self._opt_outs = opt_outs

    def add_cell(self, column: Column, cell: str) -> None:
        """Add a cell that is not empty."""
        path = (*self._path, column.name)
        self.lowered = stricter(self.lowered, self._opt_outs.read(column.opt_out, column.name, cell, path))
        if column.role is ColumnRole.FIELD:
            value = _convert_cell(column, cell, self.faults)
            if value != []:  # a cell of separators names no tags, and does not remove those of a contact
                self.fields[column.key] = Given(value, (column.name,))
        elif column.role is ColumnRole.NAMELESS:
            self.faults.append(Fault((), "A cell stands in a column without a name"))
        elif column.role is not ColumnRole.IGNORED:
            attributes = _read_attributes(column, cell, self.faults)
            self._add_attributes(column, attributes)
            if column.role is ColumnRole.ATTRIBUTES:
                self.lowered = stricter(self.lowered, self._opt_outs.read_object(attributes, path))

    def _add_attributes(self, column: Column, attributes: dict[str, Any]) -> None:
        self.faults += [
            Fault((column.name,), f"{key} is given twice") for key in attributes if key in self.attributes
        ]
        self.attributes |= attributes


def _read_attributes(column: Column, cell: str, faults: list[Fault]) -> dict[str, Any]:
    if column.role is ColumnRole.ATTRIBUTE:
        return {column.key: cell} if column.kept else {}
    try:
        value = request_body.decode_value(cell.encode(), (column.name,))
    except InvalidInput:
        value = None
    if isinstance(value, dict):
        return value
    faults.append(Fault((column.name,), "Expected an object in JSON"))
    return {}


def _convert_cell(column: Column, cell: str, faults: list[Fault]) -> Any:
    """Return the value of a cell, or its text if the value is invalid, so that the check rejects it."""
    try:
        return convert_cell(column, cell)
    except OperandError as unfit:
        faults.append(Fault((column.name,), str(unfit)))
        return []
