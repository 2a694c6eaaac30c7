"""Reads the header of a file: what each column is, by its name."""

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from diglot.api.imports.file_contact import ATTRIBUTE_CONTAINERS, file_reader
from diglot.api.opt_outs.columns import OptOutColumn, Reading
from diglot.api.opt_outs.names import column_of
from diglot.conditions.fields import attribute_key, find_key_fault, resolve_field
from diglot.errors import Fault, InvalidInput, MalformedRequest

MAX_COLUMNS: Final = 1_000
# A fault in a row names its column, so only the spellings that people write are accepted as column names.
MAX_COLUMN_LENGTH: Final = 200


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
    """

    name: str
    role: ColumnRole
    key: str = ""
    opt_out: OptOutColumn | None = None
    kept: bool = True


def squeeze_name(name: str) -> str:
    """Return the form in which names of columns are compared."""
    return re.sub(r"[\s_-]+", "", name).casefold()


@cache
def _field_by_name() -> dict[str, str]:
    """Return the field for each spelling of a column."""
    return {squeeze_name(spelling): name for spelling, name in file_reader().spellings.items()}


_CONTAINER_NAMES: Final = {squeeze_name(name) for name in ATTRIBUTE_CONTAINERS}
# The vendors' responses contain these fields, but clients cannot write them.
_IGNORED_NAMES: Final = {squeeze_name(name) for name in ("id", "updated_at", "lists", "list_id")}
_METADATA_PREFIX: Final = "metadata."


def read_header(header: Sequence[str], number: int) -> list[Column]:
    """Return the columns of a header in row `number`; raise `MalformedRequest` or `InvalidInput`."""
    if not header:
        raise MalformedRequest("The file is empty")
    if len(header) > MAX_COLUMNS:
        raise MalformedRequest(f"A file has at most {MAX_COLUMNS:,} columns")
    if max(map(len, header)) > MAX_COLUMN_LENGTH:
        raise MalformedRequest(f"The name of a column has at most {MAX_COLUMN_LENGTH} characters")
    columns = [_classify_column(name) for name in header]
    faults: list[Fault] = []
    seen: dict[tuple[ColumnRole, str], str] = {}
    for column in columns:
        path = ("rows", number, column.name)
        if column.role is ColumnRole.ATTRIBUTE and (message := find_key_fault(column.key)) is not None:
            faults.append(Fault(path, message))
        meant = (column.role, column.key)
        if column.key and meant in seen:
            faults.append(Fault(path, f"Says the same as {seen[meant]}"))
        seen.setdefault(meant, column.name)
    if (ColumnRole.FIELD, "email") not in seen:
        faults.append(Fault(("email",), "No column has this name"))
    if faults:
        raise InvalidInput(faults)
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
        key = name.removeprefix(_METADATA_PREFIX)
        return Column(name, ColumnRole.ATTRIBUTE, key, column_of(key))
    key = attribute_key(resolve_field(name)) or ""
    opt_out = column_of(key)
    # A column that only sets the status is not stored as an attribute, unless it has the attribute prefix.
    kept = opt_out is None or opt_out.reading is not Reading.OPT_OUT or key != name
    return Column(name, ColumnRole.ATTRIBUTE, key, opt_out, kept)
