"""Cuts a stream of bytes into the records of a file of delimited values, in constant memory.

A reader is fed with bytes in pieces of any size and yields the records that are complete. Its position, the
first byte after the last record, is where another reader continues.
"""

import csv
import re
from collections.abc import Iterator
from itertools import accumulate, chain
from typing import Final

import msgspec

from diglot.api.imports import encodings
from diglot.api.imports.encodings import Encoding
from diglot.conditions.text import WHITE_SPACE
from diglot.errors import MalformedRequest

# A longer row is refused, because all of it has to be in memory.
MAX_ROW_BYTES: Final = 8 * 1024 * 1024
# Excel writes the delimiter in a line of its own, and does not count that line as a row.
_DELIMITER_LINE: Final = re.compile(r'"?sep=([^\w"\s]|\t)"?', re.IGNORECASE)
# A formula that keeps the zeros of a number in Excel: the text in its quotes.
_TEXT_FORMULA: Final = re.compile(r'="((?:[^"]|"")*)"')
# A row number as a spreadsheet shows it, and the cells without white space at their ends.
Record = tuple[int, list[str]]


class Position(msgspec.Struct, frozen=True):
    """Where a reader is: the bytes, rows and lines before it."""

    offset: int = 0
    row: int = 0
    line: int = 0


BEGINNING: Final = Position()


class TextFormat(msgspec.Struct, frozen=True):
    """How a file is written: the codec of its characters and the delimiter of its cells."""

    codec: str
    delimiter: str


class _IncompleteError(Exception):
    """The data end within a record, and more will follow."""


class RecordReader:
    """Reads the records of one file; `format` and `position` continue after another reader.

    Faults in the file are `MalformedRequest`.
    """

    def __init__(
        self,
        declared: Encoding | None = None,
        *,
        text_format: TextFormat | None = None,
        position: Position = BEGINNING,
    ) -> None:
        self._declared = declared
        self._encoding = None if text_format is None else Encoding(text_format.codec)
        self._delimiter = None if text_format is None else text_format.delimiter
        self._start = position
        self._row = position.row
        self._data = b""
        self._lines: list[str] = []
        self._ends: list[int] = []
        self._consumed = 0
        self._has_formulas = False
        self._is_final = False

    @property
    def position(self) -> Position:
        """The position after the last record that was read."""
        offset = self._ends[self._consumed - 1] if self._consumed else self._start.offset
        return Position(offset, self._row, self._start.line + self._consumed)

    @property
    def text_format(self) -> TextFormat:
        """How the file is written; known after the first record."""
        assert self._encoding is not None
        assert self._delimiter is not None
        return TextFormat(self._encoding.codec, self._delimiter)

    def feed(self, data: bytes, *, is_final: bool = False) -> None:
        """Take the next bytes of the file; `is_final` says that none follow."""
        self._forget_consumed()
        if self._count_waiting() > MAX_ROW_BYTES:
            raise MalformedRequest(f"A row has at most {MAX_ROW_BYTES:,} bytes")
        self._data += data
        self._is_final = is_final
        if self._encoding is None:
            if len(self._data) < encodings.MARK_LENGTH and not is_final:
                return
            self._encoding, mark = encodings.detect(self._data, self._declared)
            self._data = self._data[mark:]
            self._start = Position(mark)
        self._cut_lines(self._encoding)

    def read(self) -> Iterator[Record]:
        """Yield the complete records; blank ones are counted and not yielded."""
        if self._delimiter is None and not self._detect_delimiter():
            return
        assert self._delimiter is not None
        first = self._consumed
        lines = chain(self._lines[first:], () if self._is_final else _end_of_data())
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True, skipinitialspace=True)
        while True:
            try:
                written = next(reader)
            except (StopIteration, _IncompleteError):
                return
            except csv.Error as error:
                line = self._start.line + first + reader.line_num
                raise MalformedRequest(f"Line {line} is not valid CSV: {error}") from None
            self._consumed = first + reader.line_num
            self._row += 1
            cells = [cell.strip(WHITE_SPACE) for cell in written]
            if any(cells):
                yield self._row, list(map(_unwrap_formula, cells)) if self._has_formulas else cells

    def _forget_consumed(self) -> None:
        self._start, self._consumed, done = self.position, 0, self._consumed
        del self._lines[:done], self._ends[:done]

    def _count_waiting(self) -> int:
        """Return the bytes after the last record that was read."""
        return len(self._data) + (self._ends[-1] - self._start.offset if self._ends else 0)

    def _cut_lines(self, encoding: Encoding) -> None:
        self._has_formulas |= '="'.encode(encoding.codec) in self._data
        lines, self._data = encoding.cut_lines(self._data, is_final=self._is_final)
        begin = self._ends[-1] if self._ends else self._start.offset
        ends = list(accumulate(map(len, lines), initial=begin))
        self._ends += ends[1:]
        try:
            self._lines += [line.decode(encoding.codec) for line in lines]
        except UnicodeDecodeError:
            self._lines += map(encoding.decode, lines, ends)

    def _detect_delimiter(self) -> bool:
        """Find the delimiter in the first line that is not blank; return whether there is one yet."""
        for line in self._lines:
            text = line.strip(" \r\n")
            if (declared := _DELIMITER_LINE.fullmatch(text)) is not None:
                self._delimiter = declared[1]
                self._consumed = self._lines.index(line) + 1
                return True
            if text:
                found = re.search("[,;\t]", re.sub('"[^"]*"', "", text))
                self._delimiter = found[0] if found else ","
                return True
        return False


def _end_of_data() -> Iterator[str]:
    raise _IncompleteError
    yield ""


def _unwrap_formula(cell: str) -> str:
    wrapped = _TEXT_FORMULA.fullmatch(cell)
    return cell if wrapped is None else wrapped[1].replace('""', '"').strip(WHITE_SPACE)
