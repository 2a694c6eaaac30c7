"""Converts cells of fields to the values that a body would have."""

from typing import Any, Final

from diglot.api.imports.columns import Column
from diglot.api.imports.tag_text import split_tags
from diglot.api.opt_outs.values import read_status
from diglot.conditions.addresses import strip_format_characters
from diglot.conditions.fields import FIELDS, FieldKind
from diglot.conditions.text import parse_number

_YES: Final = ("true", "yes", "y", "t", "1", "on")
_NO: Final = ("false", "no", "n", "f", "0", "off")
_BOOLEANS: Final = dict.fromkeys(_YES, True) | dict.fromkeys(_NO, False)


def convert_cell(column: Column, cell: str) -> Any:
    """Return the value of a cell, or its text if it is invalid, so that the check rejects it.

    Raise `OperandError` for tags that cannot be separated.
    """
    if column.key == "email":
        return strip_format_characters(cell)
    kind = FIELDS[column.key].kind
    if kind is FieldKind.TAGS:
        return _split(column, cell)
    if kind is FieldKind.CHOICE:
        return read_status(cell)
    if kind is FieldKind.BOOLEAN:
        return _BOOLEANS.get(cell.lower(), cell)
    number = parse_number(cell) if kind is FieldKind.NUMBER else None
    return cell if number is None else number


def _split(column: Column, cell: str) -> list[str]:
    if column.tag_separator is None:
        return split_tags(cell)
    # Groups that a tool makes itself begin with a star.
    names = [name.strip() for name in cell.split(column.tag_separator)]
    return [name for name in names if name and not name.startswith("* ")]
