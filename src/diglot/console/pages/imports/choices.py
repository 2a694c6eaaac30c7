"""What a person chooses for a file: the form of the review, to the options of an import and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from diglot.api.imports.columns import ColumnRole
from diglot.api.imports.contact_file import LOWERING
from diglot.api.imports.file_contact import file_reader
from diglot.api.imports.presets import PRESETS
from diglot.api.imports.review.file_head import ReviewedColumn
from diglot.api.imports.tag_text import split_tags
from diglot.conditions.fields import ATTRIBUTE_PREFIX, CATALOGUE
from diglot.conditions.operands import OperandError
from diglot.console.forms import Form
from diglot.console.words import name_field
from diglot.errors import InvalidInput
from diglot.model.imports import ImportOptions

AS_RECOGNIZED, LEFT_OUT, CUSTOM = "", "none", "custom"
_FIELD: Final = "field."
# Choices for many columns: leave out those that nobody chose a target for, or forget all choices.
_TRIM, _RESET = "trim", "reset"
# The character sets that spreadsheets of some regions write.
ENCODINGS: Final = {
    "": "UTF-8, or as the file says",
    "windows-1252": "Western Europe (windows-1252)",
    "windows-1250": "Central Europe (windows-1250)",
    "windows-1251": "Cyrillic (windows-1251)",
    "windows-1253": "Greek (windows-1253)",
    "windows-1254": "Turkish (windows-1254)",
    "windows-1255": "Hebrew (windows-1255)",
    "windows-1256": "Arabic (windows-1256)",
    "windows-1257": "Baltic (windows-1257)",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person has chosen for a column: the value of the list, and the key of a custom field."""

    value: str
    key: str


def list_fields() -> Sequence[tuple[str, str]]:
    """Return the fields that a column may set: the value of each choice, and its name."""
    writable = set(file_reader().spellings.values())
    return [
        (f"{_FIELD}{one.name}", name_field(one.name).capitalize())
        for one in CATALOGUE
        if one.name in writable
    ]


def find_choice(one: ReviewedColumn, options: ImportOptions) -> Choice:
    """Return the choice for a column; the key that a custom field would have is always there."""
    name = one.column.name
    target = options.mapping.get(name)
    if target is None:
        key = one.recognized.key if one.recognized.role is ColumnRole.ATTRIBUTE else name
        return Choice(AS_RECOGNIZED, key)
    if not target:
        return Choice(LEFT_OUT, name)
    if target.startswith(ATTRIBUTE_PREFIX):
        return Choice(CUSTOM, target.removeprefix(ATTRIBUTE_PREFIX))
    return Choice(f"{_FIELD}{target}", name)


def has_columns(form: Form) -> bool:
    """Tell whether the page of a form showed columns, and with them what is chosen for all contacts."""
    return not form.get("unread")


def keep_mapping(mapping: Mapping[str, str], columns: Sequence[ReviewedColumn]) -> dict[str, str]:
    """Return the targets that were chosen before, of those columns that a file has."""
    names = {one.column.name for one in columns}
    return {name: target for name, target in mapping.items() if name in names}


def read_mapping(form: Form, columns: Sequence[ReviewedColumn]) -> dict[str, str]:
    """Return the targets of the columns for which a form has a choice, or makes one for many at once."""
    if form.get("then") == _RESET:
        return {}
    others = {one.column.name: "" for one in columns if _is_plain(one)} if form.get("then") == _TRIM else {}
    return others | _read_choices(form, [one.column.name for one in columns])


def _is_plain(one: ReviewedColumn) -> bool:
    """Tell whether a column becomes a custom field and says nothing of opting out."""
    return one.recognized.role is ColumnRole.ATTRIBUTE and one.recognized.opt_out is None


def _read_choices(form: Form, names: Sequence[str]) -> dict[str, str]:
    given = dict(reversed(form.pairs))
    mapping = {}
    for place, name in enumerate(names):
        choice = given.get(f"column.{place}", AS_RECOGNIZED)
        if choice == LEFT_OUT:
            mapping[name] = ""
        elif choice == CUSTOM:
            mapping[name] = f"{ATTRIBUTE_PREFIX}{given.get(f'key.{place}', '').strip() or name}"
        elif choice.startswith(_FIELD):
            mapping[name] = choice.removeprefix(_FIELD)
    return mapping


def read_file_options(form: Form) -> ImportOptions:
    """Return how a form says that the file is written: its character set and its tool."""
    encoding, preset = form.get("encoding"), form.get("preset")
    return ImportOptions(
        encoding=encoding if encoding in ENCODINGS and encoding else None,
        preset=preset if preset in PRESETS else None,
    )


def read_contact_options(form: Form) -> ImportOptions:
    """Return what a form says of every contact; raise `InvalidInput` for tags that are not well written."""
    status = form.get("status")
    try:
        tags = tuple(split_tags(form.get("tags")))
    except OperandError as unfit:
        raise InvalidInput.at(("tags",), str(unfit)) from None
    return ImportOptions(
        tags=tags,
        status=status if status in LOWERING else None,
        update_existing=form.get("existing") != "keep",
        only_lowers=form.get("raises") != "yes",
    )


def write_tags(tags: Sequence[str]) -> str:
    """Return tags as a form shows them, so that they are read as the same tags."""
    return ", ".join(map(_quote, tags))


def _quote(tag: str) -> str:
    doubled = tag.replace('"', '""')
    return f'"{doubled}"' if set(tag) & set(',;"') else tag
