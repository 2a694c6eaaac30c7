"""Reads the header of a file: what each column is, by a mapping, a preset or its name."""

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from diglot.api.imports.column_names import KNOWN_NAMES
from diglot.api.imports.file_contact import ATTRIBUTE_CONTAINERS, ATTRIBUTES_KEY, file_reader
from diglot.api.imports.presets import PRESETS, Preset
from diglot.api.opt_outs.columns import OptOutColumn, Reading
from diglot.api.opt_outs.names import column_of
from diglot.conditions.addresses import strip_format_characters
from diglot.conditions.fields import ATTRIBUTE_PREFIX, attribute_key, find_key_fault, resolve_field
from diglot.conditions.text import normalize_name
from diglot.errors import Fault, InvalidInput, MalformedRequest

MAX_COLUMNS: Final = 1_000
# A fault in a row names its column, so only the spellings that people write are accepted as column names.
MAX_COLUMN_LENGTH: Final = 200
_MOST_SHOWN: Final = 20


class ColumnRole(enum.Enum):
    """What the cells of a column are."""

    FIELD = enum.auto()
    ATTRIBUTE = enum.auto()
    # A JSON object of custom fields.
    ATTRIBUTES = enum.auto()
    IGNORED = enum.auto()
    # Its cells have to be empty.
    NAMELESS = enum.auto()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name as written, and the field or the key of the custom field that it sets.

    `opt_out` is set if its values lower the status; they are stored as a custom field too if it is `kept`.
    `tag_separator` is set in a column of tags that are not a row of CSV.
    """

    name: str
    role: ColumnRole
    key: str = ""
    opt_out: OptOutColumn | None = None
    kept: bool = True
    tag_separator: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnOptions:
    """What the sender says of the columns: a target for each named one, and the preset of a tool.

    A target is a field, `attributes.KEY`, or empty to leave the column out.
    """

    mapping: Mapping[str, str]
    preset: str | None = None


NO_OPTIONS: Final = ColumnOptions({})
_NO_PRESET: Final = Preset({})


def squeeze_name(name: str) -> str:
    """Return the form in which names of columns are compared."""
    return re.sub(r"[\s_-]+", "", name).casefold()


@cache
def _field_by_name() -> dict[str, str]:
    """Return the field for each spelling of a column."""
    return {squeeze_name(spelling): name for spelling, name in file_reader().spellings.items()}


_CONTAINER_NAMES: Final = {squeeze_name(name) for name in (ATTRIBUTES_KEY, *ATTRIBUTE_CONTAINERS)}
# The columns of a file of rejected rows that are not from the imported file.
REPORT_COLUMNS: Final = ("diglot_row", "diglot_reason")
# The vendors' responses contain these fields, but clients cannot write them.
_IGNORED_NAMES: Final = {
    squeeze_name(name) for name in ("id", "updated_at", "lists", "list_id", *REPORT_COLUMNS)
}
_METADATA_PREFIX: Final = "metadata."


def check_options(options: ColumnOptions) -> None:
    """Raise `InvalidInput` for an unknown preset or target."""
    faults = [
        Fault(("map", name), f"{target[:100]} is no field: write attributes.{target[:100]}")
        for name, target in options.mapping.items()
        if not _is_target(target)
    ]
    if options.preset is not None and options.preset not in PRESETS:
        faults.append(Fault(("preset",), f"Unknown preset: the presets are {', '.join(PRESETS)}"))
    if faults:
        raise InvalidInput(faults)


def read_header(header: Sequence[str], number: int, options: ColumnOptions = NO_OPTIONS) -> list[Column]:
    """Return the columns of a header in row `number`; raise `MalformedRequest` or `InvalidInput`."""
    columns, faults = inspect_header(header, number, options)
    if faults:
        raise InvalidInput(faults)
    return columns


def inspect_header(
    header: Sequence[str], number: int, options: ColumnOptions = NO_OPTIONS
) -> tuple[list[Column], list[Fault]]:
    """Return the columns of a header in row `number`, and why no file with them can be imported.

    Raise `MalformedRequest` for a header that is none, and `InvalidInput` for options that no file fits.
    """
    if not header:
        raise MalformedRequest("The file is empty")
    if len(header) > MAX_COLUMNS:
        raise MalformedRequest(f"A file has at most {MAX_COLUMNS:,} columns")
    if max(map(len, header)) > MAX_COLUMN_LENGTH:
        raise MalformedRequest(f"The name of a column has at most {MAX_COLUMN_LENGTH} characters")
    check_options(options)
    columns = _classify_columns(list(map(strip_format_characters, header)), options)
    return columns, [*_find_column_faults(columns, number), *_find_missing(columns, options)]


def list_custom_fields(columns: Sequence[Column]) -> list[str]:
    """Return the names of the columns that are stored as custom fields."""
    return [one.name for one in columns if one.role is ColumnRole.ATTRIBUTE and one.kept]


def _is_field(target: str) -> bool:
    return squeeze_name(target) in _field_by_name()


def _is_target(target: str) -> bool:
    return not target or target.startswith(ATTRIBUTE_PREFIX) or _is_field(target)


def _classify_columns(header: Sequence[str], options: ColumnOptions) -> list[Column]:
    preset = PRESETS[options.preset] if options.preset is not None else _NO_PRESET
    mapped = {squeeze_name(name): target for name, target in options.mapping.items()}
    kept = {squeeze_name(name): target for name, target in preset.fields.items() if not _is_field(target)}
    statuses = {squeeze_name(name): words for name, words in preset.statuses.items()}
    columns = []
    for name in header:
        squeezed = squeeze_name(name)
        if name and squeezed in mapped:
            columns.append(_map_column(name, mapped[squeezed]))
        elif squeezed in statuses:
            words = OptOutColumn(Reading.WORDS, words=statuses[squeezed])
            columns.append(Column(name, ColumnRole.ATTRIBUTE, name, words, kept=False))
        elif squeezed in kept:
            columns.append(replace(_map_column(name, kept[squeezed]), opt_out=column_of(name)))
        else:
            columns.append(_classify_column(name))
    return _adopt_names(columns, preset, {*mapped, *statuses, *kept})


def _map_column(name: str, target: str) -> Column:
    if not target:
        return Column(name, ColumnRole.IGNORED)
    if target.startswith(ATTRIBUTE_PREFIX):
        return Column(name, ColumnRole.ATTRIBUTE, normalize_name(target.removeprefix(ATTRIBUTE_PREFIX)))
    return Column(name, ColumnRole.FIELD, _field_by_name()[squeeze_name(target)])


def _adopt_names(columns: list[Column], preset: Preset, settled: set[str]) -> list[Column]:
    """Return the columns, with one of the tools' names for each field that no column has as its own.

    The names of the preset come first.
    """
    given = {column.key for column in columns if column.role is ColumnRole.FIELD}
    free = {
        squeeze_name(column.name): place
        for place, column in reversed(list(enumerate(columns)))
        if column.role is ColumnRole.ATTRIBUTE
    }
    of_preset = [(name, field) for name, field in preset.fields.items() if _is_field(field)]
    known = [(name, field) for field, names in KNOWN_NAMES.items() for name in names]
    for name, field in (*of_preset, *known):
        squeezed = squeeze_name(name)
        if field not in given and squeezed in free and squeezed not in settled:
            place = free[squeezed]
            separator = preset.tag_separator if field == "tags" else None
            columns[place] = Column(columns[place].name, ColumnRole.FIELD, field, tag_separator=separator)
            given.add(field)
    return columns


def _classify_column(name: str) -> Column:
    squeezed = squeeze_name(name)
    if not name:
        return Column(name, ColumnRole.NAMELESS)
    if (field := _field_by_name().get(squeezed)) is not None:
        return Column(name, ColumnRole.FIELD, field)
    if squeezed in _CONTAINER_NAMES:
        return Column(name, ColumnRole.ATTRIBUTES)
    if squeezed in _IGNORED_NAMES:
        return Column(name, ColumnRole.IGNORED)
    if name.startswith(_METADATA_PREFIX):
        key = normalize_name(name.removeprefix(_METADATA_PREFIX))
        return Column(name, ColumnRole.ATTRIBUTE, key, column_of(key))
    key = attribute_key(resolve_field(name)) or ""
    opt_out = column_of(key)
    # A column that only sets the status is not stored as an attribute, unless it has the attribute prefix.
    kept = opt_out is None or opt_out.reading is not Reading.OPT_OUT or key != name
    return Column(name, ColumnRole.ATTRIBUTE, key, opt_out, kept)


def _find_column_faults(columns: Sequence[Column], number: int) -> Iterator[Fault]:
    seen: dict[tuple[ColumnRole, str], str] = {}
    for column in columns:
        path = ("rows", number, column.name)
        if column.role is ColumnRole.ATTRIBUTE and (message := find_key_fault(column.key)) is not None:
            yield Fault(path, message)
        meant = (column.role, column.key)
        if column.key and meant in seen:
            yield Fault(path, f"Says the same as {seen[meant]}")
        seen.setdefault(meant, column.name)


def _find_missing(columns: Sequence[Column], options: ColumnOptions) -> Iterator[Fault]:
    """Yield a fault for each column that the mapping names in vain, and for an address without a column."""
    names = [column.name for column in columns if column.name]
    present = set(map(squeeze_name, names))
    for name in options.mapping:
        if squeeze_name(name) not in present:
            yield Fault(("map", name), _say_missing(name, names))
    if not any(column.role is ColumnRole.FIELD and column.key == "email" for column in columns):
        yield Fault(("email",), _say_missing("email", names))


def _say_missing(name: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - a start needs no near name

    more = f" and {len(names) - _MOST_SHOWN} more" if len(names) > _MOST_SHOWN else ""
    listed = ", ".join(names[:_MOST_SHOWN]) + more
    near = get_close_matches(squeeze_name(name), map(squeeze_name, names), 1)
    nearest = [one for one in names if near and squeeze_name(one) == near[0]]
    hint = f"; the nearest is {nearest[0]}" if nearest else ""
    return f"No column has this name: the columns are {listed}{hint}"
