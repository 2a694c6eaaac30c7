"""Reads the contacts of a file as a job does: checks it as a whole, then row by row, from any row on."""

from collections.abc import Iterator
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from diglot.api.imports.columns import (
    Column,
    ColumnOptions,
    ColumnRole,
    check_options,
    list_custom_fields,
    read_header,
)
from diglot.api.imports.delimited_text import Position, RecordReader, TextFormat
from diglot.api.imports.encodings import find_declared
from diglot.api.imports.rows import RowReader
from diglot.api.imports.warnings.columns import warn_of_columns
from diglot.api.imports.warnings.values import UnreadValues
from diglot.api.input.contact_values import read_tags
from diglot.api.input.contacts import LocalTime
from diglot.conditions.addresses import normalize_address, strip_format_characters
from diglot.conditions.fields import STATUSES, stricter
from diglot.conditions.operands import OperandError
from diglot.errors import Fault, InvalidInput, MalformedRequest
from diglot.model.contacts import SUBSCRIBED, UNSUBSCRIBED, ContactChange
from diglot.model.imports import FileWarning, ImportOptions
from diglot.service.imports.contact_files import FileRow

LOWERING: Final = STATUSES[1:]


class _State(msgspec.Struct, frozen=True):
    text_format: TextFormat
    position: Position
    header: list[str]
    header_row: int


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_State).decode


def check_import_options(options: ImportOptions) -> None:
    """Raise `InvalidInput` for options that no file could be imported with."""
    faults: list[Fault] = []
    try:
        check_options(ColumnOptions(options.mapping, options.preset))
        if options.encoding is not None:
            find_declared(options.encoding)
    except InvalidInput as invalid:
        faults += invalid.faults
    try:
        read_tags(list(options.tags))
    except OperandError as unfit:
        faults.append(Fault(("tags",), str(unfit)))
    if faults:
        raise InvalidInput(faults)


def open_contact_file(
    options: ImportOptions, zone: ZoneInfo, now: int, state: str | None = None
) -> "DelimitedContacts":
    """Return the reader of a file, from its beginning or from a state."""
    return DelimitedContacts(options, LocalTime(zone, now), None if state is None else _decode(state))


class DelimitedContacts:
    """The contacts of a file of delimited values; its header is read with its first bytes."""

    def __init__(self, options: ImportOptions, time: LocalTime, state: _State | None) -> None:
        self._options = options
        self._column_options = ColumnOptions(options.mapping, options.preset)
        self._time = time
        self._tags = tuple(options.tags)
        self._columns: list[Column] | None = None
        self._is_final = False
        if state is None:
            declared = None if options.encoding is None else find_declared(options.encoding)
            self._records = RecordReader(declared)
        else:
            self._records = RecordReader(text_format=state.text_format, position=state.position)
            self._set_header(state.header, state.header_row)

    @property
    def custom_fields(self) -> list[str]:
        """The columns that are stored as custom fields."""
        return [] if self._columns is None else list_custom_fields(self._columns)

    @property
    def warnings(self) -> list[FileWarning]:
        """What is probably not meant in the header and in the values that were checked."""
        if self._columns is None:
            return []
        found = warn_of_columns(self._columns, self._column_options)
        if self._options.status is not None:
            found = [one for one in found if one.code != "no_opt_outs"]
        return [*found, *self._unread_values.list_warnings()]

    @property
    def header(self) -> list[str]:
        """The names of the columns."""
        return [] if self._columns is None else self._header

    def feed(self, data: bytes, *, is_final: bool) -> None:
        """Take the next bytes."""
        self._is_final = is_final
        self._records.feed(data, is_final=is_final)

    def check(self) -> int:
        """Check the complete rows for what rejects the whole file; return how many have content."""
        if not self._read_header():
            return 0
        count = 0
        for number, cells in self._records.read():
            count += 1
            self._rows.check_opt_outs(number, cells)
            self._unread_values.count(cells)
        if self._is_final and self._rows.opt_outs.faults:
            raise InvalidInput(self._rows.opt_outs.faults)
        return count

    def read(self) -> Iterator[FileRow]:
        """Yield the complete rows."""
        if not self._read_header():
            return
        for number, cells in self._records.read():
            change, reason, column = self._read_row(number, cells)
            position = self._records.position
            email = self._find_email(cells) if change is None else change.email
            yield FileRow(number, position.offset, position.line, cells, email, change, reason, column)

    def state_after(self, row: FileRow) -> str:
        """Return what another reader needs to continue after a row."""
        position = Position(row.offset, row.number, row.line)
        state = _State(self._records.text_format, position, self._header, self._header_row)
        return _encode(state).decode()

    def _read_row(self, number: int, cells: list[str]) -> tuple[ContactChange | None, str, str]:
        """Return the change of a row, or None, why the row is rejected, and the column if it is for one."""
        try:
            row = self._rows.read(number, cells)
            lowered = stricter(row.lowered, self._options.status)
            change = row.values.to_change(self._time, added_tags=self._tags, lowered=lowered)
            return _only_lower(change) if self._options.only_lowers else change, "", ""
        except InvalidInput as invalid:
            fault = invalid.faults[0]
            where = ".".join(map(str, fault.path))
            reason = f"{where}: {fault.message}" if where else fault.message
            return None, reason, str(fault.path[0]) if where else ""

    def _find_email(self, cells: list[str]) -> str:
        place = self._email_place
        return normalize_address(strip_format_characters(cells[place])) if place < len(cells) else ""

    def _read_header(self) -> bool:
        """Read the header if it is complete; return whether it is known."""
        if self._columns is None:
            for number, header in self._records.read():
                self._set_header(header, number)
                return True
            if self._is_final:
                raise MalformedRequest("The file is empty")
            return False
        return True

    def _set_header(self, header: list[str], row: int) -> None:
        columns = read_header(header, row, self._column_options)
        self._columns, self._header, self._header_row = columns, header, row
        self._rows, self._unread_values = RowReader(columns), UnreadValues(columns)
        self._email_place = [(one.role, one.key) for one in columns].index((ColumnRole.FIELD, "email"))


def _only_lower(change: ContactChange) -> ContactChange:
    """Return a change that lowers the status where it would set it, and never raises it."""
    stated = change.values.get("status", SUBSCRIBED)
    if change.subscribed is False:
        stated = stricter(stated, UNSUBSCRIBED)
    values = {name: value for name, value in change.values.items() if name != "status"}
    lowered = change.lowered if stated == SUBSCRIBED else stricter(change.lowered, stated)
    return msgspec.structs.replace(change, values=values, subscribed=None, lowered=lowered)
