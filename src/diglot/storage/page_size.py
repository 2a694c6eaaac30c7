"""The size of pages of rows of which some have a few bytes and others a megabyte: it follows their bytes."""

from typing import Final

_FIRST_ROWS: Final = 50


class PageSize:
    """The number of rows of the next page, at most `most_rows`; it begins with a few."""

    def __init__(self, most_rows: int, most_bytes: int) -> None:
        self._most_rows, self._most_bytes = most_rows, most_bytes
        self.rows = min(most_rows, _FIRST_ROWS)

    def learn(self, rows: int, size: int) -> None:
        """Take note of the size of a page in bytes."""
        self.rows = max(1, min(self._most_rows, 2 * rows, rows * self._most_bytes // max(size, 1)))
