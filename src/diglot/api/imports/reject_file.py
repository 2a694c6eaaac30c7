"""Rejected rows as a file that can be mended and imported again.

It has the columns of the imported file, and behind them the number of each row and the reason. An import
leaves these two out, so that the file needs no other options than the first one.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from diglot.api.imports.columns import REPORT_COLUMNS, squeeze_name
from diglot.model.imports import RejectedRow

_REPORT: Final = frozenset(map(squeeze_name, REPORT_COLUMNS))


class RejectFile:
    """Writes rejected rows of a file with this header."""

    def __init__(self, header: Sequence[str]) -> None:
        self._width = len(header)
        self._kept = [place for place, name in enumerate(header) if squeeze_name(name) not in _REPORT]
        self._header = header

    def encode_header(self) -> bytes:
        """Return the first line."""
        return _encode([[*self._select(self._header), *REPORT_COLUMNS]])

    def encode_rows(self, rows: Iterable[RejectedRow]) -> bytes:
        """Return the lines of rows; cells behind the last column stay in the last but two."""
        return _encode([*self._select(self._fit(row.cells)), str(row.row), row.reason] for row in rows)

    def _fit(self, cells: Sequence[str]) -> Sequence[str]:
        """Return as many cells as there are columns; what is too much stays visible in the last one."""
        if len(cells) <= self._width:
            return [*cells, *[""] * (self._width - len(cells))]
        return [*cells[: self._width - 1], ",".join(cells[self._width - 1 :])]

    def _select(self, cells: Sequence[str]) -> list[str]:
        return [cells[place] for place in self._kept]


def _encode(rows: Iterable[Sequence[str]]) -> bytes:
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows(rows)
    return lines.getvalue().encode()
