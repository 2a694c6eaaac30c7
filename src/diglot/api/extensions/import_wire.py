"""What clients send and get of imports: the options of an upload, and the pages of imports."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import choice_ref, read_by, reduced_to
from diglot.api.imports.contact_file import LOWERING
from diglot.api.imports.presets import PRESETS
from diglot.api.imports.tag_text import read_tag_text, split_tags
from diglot.api.input.query_string import MAX_OFFSET
from diglot.conditions.operands import OperandError
from diglot.model.imports import ImportOptions

_MAX_LIMIT: Final = 100
MAX_NAME: Final = 200
_mapping_decoder: Final = msgspec.json.Decoder(dict[str, str])


def _read_mapping(value: Any) -> dict[str, str]:
    """Return the targets of columns from a JSON object; raise `OperandError`."""
    try:
        return _mapping_decoder.decode(value)
    except msgspec.MsgspecError:
        raise OperandError(
            'Expected a JSON object of texts, such as {"Points": "attributes.points"}'
        ) from None


class UploadQuery(msgspec.Struct, frozen=True):
    """How the file is read, and what happens to its contacts."""

    map: (
        Annotated[
            str,
            Meta(
                description="A JSON object with the target of each column that it names: a field, "
                "`attributes.KEY`, or an empty text to leave the column out.",
                examples=['{"Points": "attributes.points"}'],
            ),
            read_by(_read_mapping),
        ]
        | UnsetType
    ) = UNSET
    preset: (
        Annotated[
            str,
            choice_ref("ImportPreset", tuple(PRESETS)),
            Meta(description="The tool that wrote the file."),
        ]
        | UnsetType
    ) = UNSET
    encoding: (
        Annotated[str, Meta(description="The character set, if Content-Type has no `charset`.")] | UnsetType
    ) = UNSET
    tags: (
        Annotated[
            str, Meta(description="Tags for every contact, separated by commas."), read_by(read_tag_text)
        ]
        | UnsetType
    ) = UNSET
    status: (
        Annotated[
            str,
            choice_ref("LoweredStatus", LOWERING),
            Meta(description="Lower every contact to this status."),
        ]
        | UnsetType
    ) = UNSET
    skip_existing: Annotated[bool, Meta(description="Leave contacts that exist as they are.")] | UnsetType = (
        UNSET
    )
    dry_run: (
        Annotated[bool, Meta(description="Find out what would become of the rows, and write no contact.")]
        | UnsetType
    ) = UNSET
    name: (
        Annotated[
            str, Meta(max_length=MAX_NAME, description="A name for the import; by default that of the file.")
        ]
        | UnsetType
    ) = UNSET


class ImportFile(msgspec.Struct, frozen=True):
    """A form whose only part is a file of comma-separated values."""

    file: Annotated[str, Meta(extra_json_schema={"contentMediaType": "text/csv"})]


class ImportsQuery(msgspec.Struct, frozen=True):
    """The imports to return."""

    limit: Annotated[
        int,
        Meta(ge=1, description=f"Number of imports to return; reduced to {_MAX_LIMIT} if larger."),
        reduced_to(_MAX_LIMIT),
    ] = 20
    offset: Annotated[
        int, Meta(ge=0, description="Number of newer imports to pass over."), reduced_to(MAX_OFFSET)
    ] = 0


def read_options(query: UploadQuery) -> ImportOptions:
    """Return the options of a query; those that were not sent keep their defaults."""
    mapping: Any = query.map
    given: dict[str, Any] = {
        "mapping": mapping,
        "preset": query.preset,
        "encoding": query.encoding,
        "tags": UNSET if query.tags is UNSET else tuple(split_tags(query.tags)),
        "status": query.status,
        "dry_run": query.dry_run,
        "update_existing": UNSET if query.skip_existing is UNSET else not query.skip_existing,
    }
    return ImportOptions(**{name: value for name, value in given.items() if value is not UNSET})
