"""Reads the beginning of a file: the columns with examples of their values, and what each would become."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from diglot.api.imports.columns import Column, ColumnOptions, ColumnRole, inspect_header
from diglot.api.imports.delimited_text import RecordReader
from diglot.api.imports.encodings import find_declared
from diglot.api.imports.review.tools import recognize_tool
from diglot.api.imports.warnings.columns import concerns_status, warn_of_columns
from diglot.errors import Fault, MalformedRequest
from diglot.model.imports import FileWarning, ImportOptions

_MOST_ROWS: Final = 200
_MOST_EXAMPLES: Final = 3
# The first bytes of files that a spreadsheet or an archiver wrote, and what to do with them.
_WORKBOOK: Final = (
    "This is a workbook or an archive, not a text file. In the spreadsheet choose “Save as” or “Download”, "
    "then “CSV”, and choose that file here"
)
_OTHER_FILES: Final = (
    (b"PK\x03\x04", _WORKBOOK),
    (b"\xd0\xcf\x11\xe0", _WORKBOOK),
    (b"%PDF", "This is a PDF file: export the contacts as CSV"),
    (b"\x1f\x8b", "This file is compressed: unpack it first"),
)


@dataclass(frozen=True, slots=True)
class ReviewedColumn:
    """A column with some distinct values, as it would be read, and as it would be without a mapping.

    `of_tool` is the same, read as the columns of the tool that the file is from.
    """

    column: Column
    recognized: Column
    of_tool: Column
    examples: Sequence[str]

    @property
    def loses_opt_outs(self) -> bool:
        """Whether it may say who opted out, and the choices of a person make something else of it."""
        may_say = concerns_status(self.recognized) or concerns_status(self.of_tool)
        return may_say and not concerns_status(self.column)


@dataclass(frozen=True, slots=True)
class FileHead:
    """The columns of a file, what is wrong with them, what is probably not meant, and the tool it is from."""

    columns: Sequence[ReviewedColumn]
    faults: Sequence[Fault]
    warnings: Sequence[FileWarning]
    tool: str | None

    @property
    def has_address(self) -> bool:
        """Whether a column has the addresses."""
        return any(one.column.role is ColumnRole.FIELD and one.column.key == "email" for one in self.columns)

    @property
    def sets_status(self) -> bool:
        """Whether a column states the status itself, which could raise it."""
        return any(
            one.column.role is ColumnRole.FIELD and one.column.key in ("status", "subscribed")
            for one in self.columns
        )


def refuse_other_files(beginning: bytes) -> None:
    """Raise `MalformedRequest` for a file that is no table of text, by its first bytes."""
    for mark, message in _OTHER_FILES:
        if beginning.startswith(mark):
            raise MalformedRequest(message)


def read_file_head(data: bytes, options: ImportOptions, *, is_whole: bool) -> FileHead:
    """Return what the first bytes of a file show; raise `MalformedRequest` or `InvalidInput`."""
    refuse_other_files(data)
    declared = None if options.encoding is None else find_declared(options.encoding)
    reader = RecordReader(declared)
    reader.feed(data, is_final=is_whole)
    records = reader.read()
    number, header = next(records, (1, []))
    rows = [cells for _, cells in islice(records, _MOST_ROWS)]
    column_options = ColumnOptions(options.mapping, options.preset)
    columns, faults = inspect_header(header, number, column_options)
    tool = recognize_tool(header)
    recognized, _ = inspect_header(header, number, ColumnOptions({}, options.preset))
    of_tool, _ = inspect_header(header, number, ColumnOptions({}, tool))
    warnings = warn_of_columns(columns, column_options)
    if options.status is not None:
        warnings = [one for one in warnings if one.code != "no_opt_outs"]
    reviewed = [
        ReviewedColumn(*each, _find_examples(rows, place))
        for place, each in enumerate(zip(columns, recognized, of_tool, strict=True))
    ]
    return FileHead(reviewed, faults, warnings, tool)


def _find_examples(rows: Sequence[Sequence[str]], place: int) -> list[str]:
    """Return the first distinct values of a column."""
    cells = (row[place] for row in rows if place < len(row) and row[place])
    return list(dict.fromkeys(cells))[:_MOST_EXAMPLES]
