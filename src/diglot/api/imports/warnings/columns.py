"""Warnings about the columns of a file, from its header alone."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import cache
from itertools import islice
from typing import Final

from diglot.api.imports.column_names import KNOWN_NAMES
from diglot.api.imports.columns import REPORT_COLUMNS, Column, ColumnOptions, ColumnRole, squeeze_name
from diglot.api.imports.file_contact import file_reader
from diglot.api.imports.presets import PRESETS
from diglot.api.imports.warnings.codes import MOST_WARNINGS
from diglot.model.imports import FileWarning

# Names that differ in one letter of five are near; others, such as `Country` and `Company`, are not.
_CUTOFF: Final = 0.8
_LENGTH_DIFFERENCE: Final = 2
# `Name` would be near `FNAME`.
_SHORTEST_KNOWN: Final = 6
# Comparing a name with the names of all fields takes about 1 ms.
_MOST_COMPARED: Final = 100
_REPORT: Final = frozenset(map(squeeze_name, REPORT_COLUMNS))


def warn_of_columns(columns: Sequence[Column], options: ColumnOptions) -> list[FileWarning]:
    """Return the warnings about the columns of a header that was read with some options."""
    mapped = set(map(squeeze_name, options.mapping))
    unmapped = [column for column in columns if squeeze_name(column.name) not in mapped]
    return [
        *_warn_of_opt_outs(columns),
        *_warn_of_preset(columns, options),
        *islice(_warn_of_near_fields(unmapped, columns), MOST_WARNINGS),
        *islice(_warn_of_ignored(unmapped), MOST_WARNINGS),
    ]


def concerns_status(column: Column) -> bool:
    """Tell whether a column states the status of contacts, or lowers it."""
    is_status = column.role is ColumnRole.FIELD and column.key in ("status", "subscribed")
    return is_status or column.opt_out is not None


def find_nearest_field(name: str, given: Iterable[str] = ()) -> str | None:
    """Return the field whose name is almost this one, or None; fields that are given otherwise are not."""
    squeezed, taken = squeeze_name(name), set(given)
    near = {
        one: field
        for one, field in _fields_by_name().items()
        if field not in taken and abs(len(one) - len(squeezed)) <= _LENGTH_DIFFERENCE
    }
    nearest = get_close_matches(squeezed, near, n=1, cutoff=_CUTOFF)
    return near[nearest[0]] if nearest else None


@cache
def _fields_by_name() -> dict[str, str]:
    own = {squeeze_name(spelling): field for spelling, field in file_reader().spellings.items()}
    known = ((squeeze_name(name), field) for field, names in KNOWN_NAMES.items() for name in names)
    return own | {name: field for name, field in known if len(name) >= _SHORTEST_KNOWN}


def _warn_of_opt_outs(columns: Sequence[Column]) -> Iterator[FileWarning]:
    if not any(map(concerns_status, columns)):
        message = "No column says who opted out, so every new contact becomes subscribed"
        yield FileWarning("", "no_opt_outs", message)


def _warn_of_preset(columns: Sequence[Column], options: ColumnOptions) -> Iterator[FileWarning]:
    if options.preset is not None:
        preset = PRESETS[options.preset]
        expected = set(map(squeeze_name, (*preset.fields, *preset.statuses)))
        if not expected & {squeeze_name(column.name) for column in columns}:
            message = f"The file has none of the columns that the preset {options.preset} is for"
            yield FileWarning("", "unused_preset", message)


def _warn_of_near_fields(columns: Sequence[Column], every: Sequence[Column]) -> Iterator[FileWarning]:
    given = [column.key for column in every if column.role is ColumnRole.FIELD]
    custom = [one for one in columns if one.role is ColumnRole.ATTRIBUTE and one.opt_out is None]
    for column in custom[:_MOST_COMPARED]:
        if (field := find_nearest_field(column.name, given)) is not None:
            message = f"The column is stored as a custom field: did you mean `{field}`?"
            yield FileWarning(column.name, "near_field", message)


def _warn_of_ignored(columns: Sequence[Column]) -> Iterator[FileWarning]:
    for column in columns:
        if column.role is ColumnRole.IGNORED and squeeze_name(column.name) not in _REPORT:
            message = "The column is left out, because an import cannot set it"
            yield FileWarning(column.name, "ignored", message)
