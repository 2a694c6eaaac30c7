"""Reads the body of an import into checked contacts; an invalid contact is reported and not imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import UNSET

from diglot.api.imports import form as import_form
from diglot.api.imports.files import InputRow, InputTable, read_file
from diglot.api.imports.rows import FileRow
from diglot.api.imports.tag_text import split_tags
from diglot.api.imports.warnings.values import warn_of_ignored_properties
from diglot.api.input import request_body
from diglot.api.input.body_reader import BodyReader
from diglot.api.input.contact_values import read_tags
from diglot.api.input.contacts import LocalTime
from diglot.api.input.query_string import QueryReader
from diglot.api.opt_outs.names import column_of
from diglot.api.opt_outs.reader import OptOuts
from diglot.computations import drain
from diglot.conditions.fields import stricter
from diglot.conditions.operands import OperandError, wrong_type_error
from diglot.dialects.misar.contacts.bulk_wire import (
    MAX_CONTACTS,
    ImportBody,
    ImportForm,
    ImportQuery,
    import_reader,
)
from diglot.dialects.misar.contacts.wire import ATTRIBUTE_CONTAINERS, ATTRIBUTES_KEY
from diglot.errors import Fault, InvalidInput, Path
from diglot.model.contacts import ContactChange
from diglot.model.imports import FileWarning

CSV_MEDIA_TYPE: Final = "text/csv"
FORM_MEDIA_TYPE: Final = "multipart/form-data"
# The spellings of one switch, each with the meaning of its `true`.
_UPDATE_SWITCHES: Final = {
    "updateExisting": True,
    "update_existing": True,
    "skipExisting": False,
    "skip_existing": False,
}


@dataclass(slots=True)
class ImportRequest:
    """An import: the valid contacts, the faults in the others, the columns of custom fields, and warnings."""

    changes: list[ContactChange] = field(default_factory=list)
    update_existing: bool = True
    errors: list[str] = field(default_factory=list)
    custom_columns: list[str] = field(default_factory=list)
    warnings: list[FileWarning] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RawImport:
    """An import as sent: body, content type and query."""

    body: bytes
    media_type: str
    content_type: str
    query: QueryReader


@dataclass(slots=True)
class _ImportOptions:
    """The options for all contacts of an import: in its query, its form or its JSON, which share faults."""

    query: QueryReader
    form: QueryReader | None = None
    body: BodyReader | None = None

    @property
    def faults(self) -> list[Fault]:
        return self.query.faults

    def read(self, *names: str) -> list[ImportQuery | ImportForm | ImportBody]:
        """Return the named options of each place."""
        found: list[ImportQuery | ImportForm | ImportBody] = [self.query.read(ImportQuery, *names)]
        if self.form is not None:
            found.append(self.form.read(ImportForm, *names))
        if self.body is not None:
            found.append(self.body.read(ImportBody, *names))
        return found


def read_import(sent: RawImport, time: LocalTime) -> ImportRequest:
    """Read an import; raise `InvalidInput` for faults outside contacts, `ContentTooLarge` for too many."""
    options = _ImportOptions(sent.query)
    table = _read_rows(sent, options)
    request = ImportRequest(
        update_existing=_read_update_existing(options),
        custom_columns=table.custom_columns,
        warnings=table.warnings,
    )
    tags = tuple(_read_tags(options))
    if options.faults:
        raise InvalidInput(options.faults)
    for path, row in drain(table.rows):
        try:
            request.changes.append(_build_change(row, tags, time))
        except InvalidInput as invalid:
            fault = invalid.faults[0]
            where = ".".join(map(str, (*path, *fault.path)))
            request.errors.append(f"{where}: {fault.message}")
    return request


def _read_rows(sent: RawImport, options: _ImportOptions) -> InputTable:
    if sent.media_type == FORM_MEDIA_TYPE:
        form = import_form.read_form(sent.body, sent.content_type)
        options.form = QueryReader(form.fields, options.faults)
        return read_file(form.file, MAX_CONTACTS, form.charset)
    if sent.media_type == CSV_MEDIA_TYPE:
        return read_file(sent.body, MAX_CONTACTS, import_form.read_charset(sent.content_type))
    options.body = BodyReader(request_body.parse_object(sent.body), options.faults)
    contacts: Any = options.body.read(ImportBody, "contacts").contacts
    reader = _JsonContacts()
    rows = [
        reader.read(("contacts", index), contact)
        for index, contact in enumerate(drain([] if contacts is UNSET else contacts))
    ]
    options.faults.extend(reader.opt_outs.faults)
    return InputTable(rows, warnings=warn_of_ignored_properties(reader.ignored, ATTRIBUTES_KEY))


@dataclass(slots=True)
class _JsonContacts:
    """Reads contacts in JSON; `ignored` has the number of contacts for each property that is left out."""

    opt_outs: OptOuts = field(default_factory=OptOuts)
    ignored: dict[str, int] = field(default_factory=dict)

    def read(self, path: Path, contact: Any) -> InputRow:
        """Return the values of a contact, or its faults."""
        if not isinstance(contact, dict):
            return path, InvalidInput.at((), str(wrong_type_error("object", contact)))
        try:
            if None in contact.values():
                # Null says nothing: exports write it for what a contact lacks.
                contact = {key: value for key, value in contact.items() if value is not None}
            given = import_reader().collect(contact)
            lowered = self._find_lowered(path, contact)
            return path, FileRow(import_reader().read_fields(given), lowered)
        except InvalidInput as invalid:
            return path, invalid

    def _find_lowered(self, path: Path, contact: Mapping[str, Any]) -> str | None:
        """Return the status that the opt-out properties of a contact or of its custom fields set."""
        unknown = import_reader().list_unknown(contact)
        for key in unknown:
            if column_of(key) is None:
                self.ignored[key] = self.ignored.get(key, 0) + 1
        lowered = self.opt_outs.read_object({key: contact[key] for key in unknown}, path)
        for container in ATTRIBUTE_CONTAINERS:
            if isinstance(members := contact.get(container), dict):
                lowered = stricter(lowered, self.opt_outs.read_object(members, (*path, container)))
        return lowered


def _read_update_existing(options: _ImportOptions) -> bool:
    choices: set[bool] = set()
    for place in options.read(*_UPDATE_SWITCHES):
        for key, meaning in _UPDATE_SWITCHES.items():
            if (value := getattr(place, key)) is not UNSET:
                choices.add(value is meaning)
                if len(choices) > 1:
                    options.faults.append(Fault((key,), "Contradicts another switch"))
    return choices.pop() if len(choices) == 1 else True


def _read_tags(options: _ImportOptions) -> list[str]:
    """Return the tags of all places together, which the limits apply to."""
    faults_before = len(options.faults)
    given = [place.tags for place in options.read("tags") if place.tags is not UNSET]
    if len(options.faults) > faults_before:
        return []
    try:
        return read_tags(
            [tag for tags in given for tag in (split_tags(tags) if isinstance(tags, str) else tags)]
        )
    except OperandError as unfit:
        options.faults.append(Fault(("tags",), str(unfit)))
        return []


def _build_change(row: FileRow | InvalidInput, tags: tuple[str, ...], time: LocalTime) -> ContactChange:
    if isinstance(row, InvalidInput):
        raise row
    return row.values.to_change(time, added_tags=tags, lowered=row.lowered)
