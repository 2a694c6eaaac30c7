"""Reads the body of an import into checked contacts; an invalid contact is reported and not imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.api.input import contacts as input_contacts
from diglot.api.input import request_body
from diglot.api.opt_outs.reader import OptOuts
from diglot.conditions.fields import stricter
from diglot.conditions.operands import OperandError, wrong_type_error
from diglot.dialects.misar.contacts import import_csv, import_form
from diglot.dialects.misar.contacts.import_csv import (
    MAX_CONTACTS,
    ContactInput,
    InputRow,
    split_tags,
)
from diglot.dialects.misar.contacts.wire import ATTRIBUTE_CONTAINERS
from diglot.errors import ContentTooLarge, Fault, InvalidInput, MalformedRequest, Path
from diglot.model.contacts import ContactChange
from diglot.service.contacts.contact_input import GivenValue, read_change, require_email

CSV_MEDIA_TYPE: Final = "text/csv"
FORM_MEDIA_TYPE: Final = "multipart/form-data"
# The spellings of one switch, each with the meaning of its `true`.
_UPDATE_SWITCHES: Final = {
    "updateExisting": True,
    "update_existing": True,
    "skipExisting": False,
    "skip_existing": False,
}
_CHARSETS: Final = ("utf-8", "utf8", "us-ascii")


@dataclass(slots=True)
class ImportRequest:
    """An import: the valid contacts, and the faults in the others."""

    changes: list[ContactChange] = field(default_factory=list)
    update_existing: bool = True
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RawImport:
    """An import as sent: body, content type and query."""

    body: bytes
    media_type: str
    content_type: str
    query: Mapping[str, str]


@dataclass(slots=True)
class _ImportDefaults:
    """The options for all contacts of an import: text in the query or a form, values in JSON."""

    text_sources: list[Mapping[str, str]]
    json_values: Mapping[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read_import(sent: RawImport, zone: ZoneInfo) -> ImportRequest:
    """Read an import; raise `InvalidInput` for faults outside contacts, `ContentTooLarge` for too many."""
    frame = _ImportDefaults([sent.query])
    rows = _read_rows(sent, frame)
    request = ImportRequest(update_existing=_read_update_existing(frame))
    tags = _read_tags(frame, zone)
    if frame.faults:
        raise InvalidInput(frame.faults)
    for path, content in rows:
        try:
            request.changes.append(_build_change(content, tags, zone))
        except InvalidInput as invalid:
            fault = invalid.faults[0]
            where = ".".join(map(str, (*path, *fault.path)))
            request.errors.append(f"{where}: {fault.message}")
    return request


def _read_rows(sent: RawImport, frame: _ImportDefaults) -> Sequence[InputRow]:
    if sent.media_type == FORM_MEDIA_TYPE:
        form = import_form.read_form(sent.body, sent.content_type)
        frame.text_sources.append(form.fields)
        return import_csv.read_rows(form.file)
    if sent.media_type == CSV_MEDIA_TYPE:
        charset = import_form.read_charset(sent.content_type)
        if charset not in _CHARSETS:
            raise MalformedRequest(f"The file has to be UTF-8, not {charset[:40]}")
        return import_csv.read_rows(sent.body)
    members = request_body.parse_object(sent.body)
    known = {"contacts", "tags", *_UPDATE_SWITCHES}
    frame.json_values = {
        key: request_body.decode_value(raw, (key,)) for key, raw in members.items() if key in known
    }
    opt_outs = OptOuts()
    rows = [
        _row(("contacts", index), contact, opt_outs) for index, contact in enumerate(_read_contacts(frame))
    ]
    frame.faults += opt_outs.faults
    return rows


def _read_contacts(frame: _ImportDefaults) -> list[Any]:
    contacts = frame.json_values.get("contacts")
    if not isinstance(contacts, list):
        message = str(wrong_type_error("array", contacts)) if "contacts" in frame.json_values else "Required"
        frame.faults.append(Fault(("contacts",), message))
        return []
    if len(contacts) > MAX_CONTACTS:
        raise ContentTooLarge(MAX_CONTACTS, "contacts")
    return contacts


def _row(path: Path, contact: Any, opt_outs: OptOuts) -> InputRow:
    if not isinstance(contact, dict):
        return path, InvalidInput.at((), str(wrong_type_error("object", contact)))
    try:
        fields, attributes = input_contacts.read_fields(contact, ATTRIBUTE_CONTAINERS, for_import=True)
    except InvalidInput as invalid:
        return path, invalid
    return path, ContactInput(fields, attributes, _lowered(path, contact, opt_outs))


def _lowered(path: Path, contact: Mapping[str, Any], opt_outs: OptOuts) -> str | None:
    """Return the status that the opt-out properties of a JSON contact or of its custom fields set."""
    unknown = {key: value for key, value in contact.items() if key not in input_contacts.IMPORT_SPELLINGS}
    lowered = opt_outs.read_object(unknown, path)
    for container in (*ATTRIBUTE_CONTAINERS, "attributes"):
        if isinstance(members := contact.get(container), dict):
            lowered = stricter(lowered, opt_outs.read_object(members, (*path, container)))
    return lowered


def _read_update_existing(frame: _ImportDefaults) -> bool:
    words = {"true": True, "false": False}
    given = [
        (key, words.get(source[key], source[key]))
        for source in frame.text_sources
        for key in _UPDATE_SWITCHES
        if key in source
    ]
    given += [(key, frame.json_values[key]) for key in _UPDATE_SWITCHES if key in frame.json_values]
    choices: set[bool] = set()
    for key, value in given:
        if not isinstance(value, bool):
            frame.faults.append(Fault((key,), str(wrong_type_error("boolean", value))))
        else:
            choices.add(value is _UPDATE_SWITCHES[key])
            if len(choices) > 1:
                frame.faults.append(Fault((key,), "Contradicts another switch"))
    return choices.pop() if len(choices) == 1 else True


def _read_tags(frame: _ImportDefaults, zone: ZoneInfo) -> list[str]:
    written = frame.json_values.get("tags", [])
    try:
        if isinstance(written, list):
            written = [
                tag for source in frame.text_sources for tag in split_tags(source.get("tags", ""))
            ] + written
        change = read_change({"tags": GivenValue(written, ("tags",))}, None, zone)
    except InvalidInput as invalid:
        frame.faults.extend(invalid.faults)
        return []
    except OperandError as unfit:
        frame.faults.append(Fault(("tags",), str(unfit)))
        return []
    tags: list[str] = change.values["tags"]
    return tags


def _build_change(content: ContactInput | InvalidInput, tags: list[str], zone: ZoneInfo) -> ContactChange:
    if isinstance(content, InvalidInput):
        raise content
    require_email(content.fields, ("email",))
    change = read_change(content.fields, content.attributes, zone)
    return replace(change, added_tags=tuple(tags), lowered=content.lowered)
