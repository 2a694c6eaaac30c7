"""Reads a whole file in memory, as the vendors' calls send it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from diglot.api.imports.columns import NO_OPTIONS, list_custom_fields, read_header
from diglot.api.imports.delimited_text import Record, RecordReader
from diglot.api.imports.encodings import find_declared
from diglot.api.imports.rows import FileRow, RowReader
from diglot.api.imports.warnings.columns import warn_of_columns
from diglot.api.imports.warnings.values import UnreadValues
from diglot.errors import ContentTooLarge, InvalidInput, Path
from diglot.model.imports import FileWarning

# A longer step would hold up all other threads.
_PIECE_BYTES: Final = 262_144
# Blank rows count too.
ROWS_PER_CONTACT: Final = 10


InputRow = tuple[Path, FileRow | InvalidInput]


@dataclass(frozen=True, slots=True)
class InputTable:
    """The contacts of an import, the names of the columns that are stored as custom fields, and warnings."""

    rows: list[InputRow]
    custom_columns: list[str] = field(default_factory=list)
    warnings: list[FileWarning] = field(default_factory=list)


def read_file(body: bytes, limit: int, charset: str | None = None) -> InputTable:
    """Return up to `limit` contacts of a file, each with its row number as a spreadsheet shows it.

    `charset` is the character set that the sender declares.

    Raise `MalformedRequest` or `InvalidInput` for a file that cannot be read or has unknown values in an
    opt-out column; `ContentTooLarge` for too many rows.
    """
    records = _iterate_records(body, charset, ROWS_PER_CONTACT * limit)
    number, header = next(records, (1, []))
    columns = read_header(header, number)
    reader, unread_values = RowReader(columns), UnreadValues(columns)
    rows: list[InputRow] = []
    for number, cells in records:
        if len(rows) == limit:
            raise ContentTooLarge(limit, "contacts")
        unread_values.count(cells)
        try:
            rows.append((("rows", number), reader.read(number, cells)))
        except InvalidInput as invalid:
            rows.append((("rows", number), invalid))
    if reader.opt_outs.faults:
        raise InvalidInput(reader.opt_outs.faults)
    warnings = [*warn_of_columns(columns, NO_OPTIONS), *unread_values.list_warnings()]
    return InputTable(rows, list_custom_fields(columns), warnings)


def _iterate_records(body: bytes, charset: str | None, limit: int) -> Iterator[Record]:
    reader = RecordReader(None if charset is None else find_declared(charset))
    for start in range(0, max(len(body), 1), _PIECE_BYTES):
        end = start + _PIECE_BYTES
        reader.feed(body[start:end], is_final=end >= len(body))
        yield from reader.read()
        if reader.position.row > limit:
            raise ContentTooLarge(limit, "rows")
