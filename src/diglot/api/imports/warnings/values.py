"""Warnings about what is counted row by row, for each column of a file or property of contacts."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

from diglot.api.imports.columns import Column
from diglot.api.imports.warnings.codes import MOST_WARNINGS
from diglot.api.imports.warnings.columns import find_nearest_field
from diglot.api.opt_outs.columns import OptOutColumn, Reading
from diglot.api.opt_outs.names import names_a_status
from diglot.api.opt_outs.values import is_understood
from diglot.model.imports import FileWarning, ImportProgress
from diglot.plurals import count_of

_MOST_REMEMBERED: Final = 1_000


class UnreadValues:
    """Counts the values of status columns that are no known words: they lower no status.

    A column such as `Lead Status` may be about something else, so its values do not refuse the file.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = [
            (place, column, column.opt_out)
            for place, column in enumerate(columns)
            if column.opt_out is not None and names_a_status(column.name, column.opt_out)
        ]
        self._counts: dict[str, int] = {}
        self._known: dict[tuple[Reading, str], bool] = {}

    def count(self, cells: Sequence[str]) -> None:
        """Count the values of a row."""
        for place, column, opt_out in self._columns:
            if place < len(cells) and cells[place] and not self._is_understood(opt_out, cells[place]):
                self._counts[column.name] = self._counts.get(column.name, 0) + 1

    def list_warnings(self) -> list[FileWarning]:
        """Return a warning for each column with such values."""
        return [
            FileWarning(
                name,
                "unread_values",
                f"The column lowers no status in {count_of(count, 'row')}, because the value is unknown",
            )
            for name, count in islice(self._counts.items(), MOST_WARNINGS)
        ]

    def _is_understood(self, opt_out: OptOutColumn, cell: str) -> bool:
        known = self._known.get((opt_out.reading, cell))
        if known is None:
            known = is_understood(opt_out, cell)
            if len(self._known) < _MOST_REMEMBERED:
                self._known[opt_out.reading, cell] = known
        return known


def warn_of_refused_values(counts: Mapping[str, int]) -> list[FileWarning]:
    """Return a warning for each of the columns for which most rows are refused, by the numbers of rows."""
    most = sorted(counts.items(), key=lambda item: -item[1])[:MOST_WARNINGS]
    return [
        FileWarning(name, "refused_values", f"{count_of(count, 'row is', 'rows are')} refused for the value")
        for name, count in most
    ]


def warn_of_ignored_properties(counts: Mapping[str, int], container: str) -> list[FileWarning]:
    """Return a warning for each property of JSON contacts that is left out, by the numbers of contacts.

    `container` is the property that has the custom fields.
    """
    return [
        FileWarning(name, "ignored", _describe_ignored(name, count, container))
        for name, count in islice(counts.items(), MOST_WARNINGS)
    ]


def _describe_ignored(name: str, count: int, container: str) -> str:
    if (field := find_nearest_field(name)) is not None:
        advice = f"did you mean `{field}`?"
    else:
        advice = f"custom fields are members of `{container}`"
    return f"The property of {count_of(count, 'contact')} is left out: {advice}"


def list_warnings(progress: ImportProgress) -> list[FileWarning]:
    """Return all warnings about a job so far."""
    uncertain = progress.uncertain_rows
    return [
        *progress.warnings,
        *warn_of_refused_values(progress.refused_values),
        *warn_of_uncertain_rows(uncertain),
    ]


def warn_of_uncertain_rows(count: int) -> list[FileWarning]:
    """Return the warning about rows that a dry run may count wrongly; none without such rows."""
    if not count:
        return []
    rows = count_of(count, "row repeats", "rows repeat")
    message = f"{rows} an address far above; counted as changed, although the contact may be unchanged"
    return [FileWarning("", "uncertain_rows", message)]
