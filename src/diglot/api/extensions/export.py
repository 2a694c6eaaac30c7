"""Exports: the members of a segment, the contacts on a list or all contacts, as a file."""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from diglot.api.annotations import checked_by, choice_ref, enumeration_schema
from diglot.api.call import Call
from diglot.api.endpoint import Endpoint
from diglot.api.extensions.format import ExtensionFormat
from diglot.api.operation import Operation
from diglot.api.responses import AS_OF_HEADER, COUNT_HEADER, REVISION_HEADER, StreamedFile
from diglot.errors import Fault, InvalidInput
from diglot.model.ids import parse_id
from diglot.service.exports.columns import find_columns_fault, read_columns
from diglot.service.exports.exports import (
    ALL_CONTACTS,
    Audience,
    Export,
    ExportRequest,
    contacts_on_list,
    members_of_segment,
)
from diglot.service.exports.formats import MEDIA_TYPES, ExportFormat

_TAG: Final = "contacts"
_FORMATS: Final = tuple(each.value for each in ExportFormat)
_KEEP, _ESCAPE = "keep", "escape"
_FORMULAS: Final = (_KEEP, _ESCAPE)
SCHEMAS: Final[dict[str, Any]] = {
    "ExportFormat": enumeration_schema(
        "The format of an exported file: a table with a line of names, or one JSON object in each line.",
        _FORMATS,
    ),
    "ExportFormulas": enumeration_schema(
        "What becomes of cells that a spreadsheet would compute.", _FORMULAS
    ),
}
# The names of fields are checked by `find_columns_fault`.
_COLUMN: Final = r'([a-z_]+(\.[^,"\\\x00-\x1f]{1,100})?|"[a-z_]+\.[^"\\\x00-\x1f]{1,100}")'


_SegmentId = Annotated[str, Meta(min_length=1, description="Export the members of this segment.")]
_ListId = Annotated[
    str,
    Meta(min_length=1, description="Export the contacts on this list. Not together with `segment_id`."),
]
_FormatWord = Annotated[
    str, choice_ref("ExportFormat", _FORMATS), Meta(description="The format; `csv` by default.")
]
_Columns = Annotated[
    str,
    Meta(
        description="Names with commas between them, in the order of the columns: `id`, fields by their name "
        "in snake case, `attributes.KEY` for one custom attribute (in quotes if the key has a comma), and "
        "`attributes` or `custom_fields` for all of them as one JSON object. By default all fields and, in "
        "CSV, a column for each attribute in use.",
        pattern=f"^{_COLUMN}(,{_COLUMN})*$",
    ),
    checked_by(find_columns_fault),
]
_FormulasWord = Annotated[
    str,
    choice_ref("ExportFormulas", _FORMULAS),
    Meta(
        description="Only for CSV. `escape` puts an apostrophe before a cell that begins with `=`, `+`, `-` "
        "or `@`, also after white space, or with a tab, a carriage return or a line feed, so that no "
        "spreadsheet computes it. That changes values, so the default is `keep`."
    ),
]


class ExportQuery(msgspec.Struct, frozen=True):
    """Which contacts, and how. Without `segment_id` and `list_id` all contacts of the workspace."""

    segment_id: _SegmentId | UnsetType = UNSET
    list_id: _ListId | UnsetType = UNSET
    format: _FormatWord | UnsetType = UNSET
    columns: _Columns | UnsetType = UNSET
    formulas: _FormulasWord | UnsetType = UNSET


def build_endpoint(form: ExtensionFormat) -> Endpoint:
    """Return the export endpoint of a dialect."""
    operation = Operation(
        "exportContacts",
        "GET",
        "/export",
        _TAG,
        "Export the members of a segment, the contacts on a list or all contacts as a file (an extension)",
        scope=form.scope,
        query=ExportQuery,
        files=tuple(MEDIA_TYPES.values()),
        exports_members=True,
        extension=True,
    )
    return Endpoint(operation, export_contacts)


async def export_contacts(call: Call) -> StreamedFile:
    """Begin the export of a call, and name in headers what it contains."""
    request = _read_request(call.read_query(ExportQuery))
    export = await call.services.exports.begin(call.caller, request)
    for name, value in _list_headers(export):
        call.add_header(name.lower().encode(), b"%d" % value)
    return StreamedFile(MEDIA_TYPES[request.format], export.parts)


def _list_headers(export: Export) -> list[tuple[str, int]]:
    members = export.members
    found = [(AS_OF_HEADER, members.entry), (COUNT_HEADER, len(members.keys))]
    return found if members.revision is None else [*found, (REVISION_HEADER, members.revision)]


def _read_request(query: ExportQuery) -> ExportRequest:
    format_ = ExportFormat.CSV if query.format is UNSET else ExportFormat(query.format)
    escapes = query.formulas == _ESCAPE
    faults = []
    if query.segment_id is not UNSET and query.list_id is not UNSET:
        faults.append(Fault(("list_id",), "Contradicts segment_id"))
    if escapes and format_ is not ExportFormat.CSV:
        faults.append(Fault(("formulas",), "Only CSV has cells that a spreadsheet computes"))
    if faults:
        raise InvalidInput(faults)
    columns = None if query.columns is UNSET else read_columns(query.columns)
    return ExportRequest(_find_audience(query), format_, columns, escapes)


def _find_audience(query: ExportQuery) -> Audience:
    if query.segment_id is not UNSET:
        return members_of_segment(parse_id(query.segment_id))
    return ALL_CONTACTS if query.list_id is UNSET else contacts_on_list(parse_id(query.list_id))
