"""The codes of warnings about imports, and the schema that documents show of a warning."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, UnsetType

from diglot.api.annotations import Extension
from diglot.model.imports import FileWarning

MOST_WARNINGS: Final = 20
IMPORT_WARNING_CODES: Final = {
    "no_opt_outs": "no column says who opted out, so every new contact becomes subscribed",
    "near_field": "the column is stored as a custom field, and its name is almost that of a field",
    "ignored": "the column, or the property of contacts, is left out",
    "unused_preset": "the file has no column of the tool that the preset is for",
    "unread_values": "values of a column for statuses are no known words, so they lower no status",
    "refused_values": "rows are refused for their value in the column",
    "uncertain_rows": "rows of a dry run repeat an address far above them, so they may change nothing",
}


class FileImportWarning(msgspec.Struct, frozen=True):
    """Something about an import that is probably not meant. It changes nothing that is imported."""

    path: Annotated[str, Meta(description="The name of the column or property; empty for the whole import.")]
    code: Annotated[
        str,
        Meta(
            description="More codes may follow. "
            + " ".join(f"`{code}`: {meaning}." for code, meaning in IMPORT_WARNING_CODES.items())
        ),
    ]
    message: Annotated[str, Meta(description="The warning for people.")]


ImportWarnings = Extension[list[FileImportWarning]] | UnsetType


def show_warnings(warnings: list[FileWarning]) -> list[FileImportWarning]:
    """Return warnings as answers show them."""
    return [FileImportWarning(one.path, one.code, one.message) for one in warnings]
