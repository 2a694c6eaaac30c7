"""The body of an import -> checked changes, one by one: a contact at fault is reported, not imported."""

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
from diglot.dialects.misar.contacts.import_csv import CONTAINERS, MOST_CONTACTS, Content, Row, split_tags
from diglot.errors import Fault, Invalid, Malformed, Path, TooLarge
from diglot.model.contacts import ContactChange
from diglot.service.contacts.contact_input import GivenValue, read_change, require_email

CSV: Final = "text/csv"
FORM: Final = "multipart/form-data"
# The spellings of one switch, and what each means by true.
_SWITCHES: Final = {
    "updateExisting": True,
    "update_existing": True,
    "skipExisting": False,
    "skip_existing": False,
}
_CHARSETS: Final = ("utf-8", "utf8", "us-ascii")


@dataclass(slots=True)
class ImportRequest:
    """An import: what to do, and what is wrong with the rest."""

    changes: list[ContactChange] = field(default_factory=list)
    update_existing: bool = True
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sent:
    """An import as sent: its body, what the header says that is, and the query."""

    body: bytes
    media: str
    content_type: str
    query: Mapping[str, str]


@dataclass(slots=True)
class _Frame:
    """What is said of all contacts of an import: in the query or a form as text, in JSON as values."""

    texts: list[Mapping[str, str]]
    values: Mapping[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def read_import(sent: Sent, zone: ZoneInfo) -> ImportRequest:
    """Return the changes of an import; raise `Invalid` for its frame, `TooLarge` for too many."""
    frame = _Frame([sent.query])
    rows = _rows(sent, frame)
    request = ImportRequest(update_existing=_switch(frame))
    tags = _tags(frame, zone)
    if frame.faults:
        raise Invalid(frame.faults)
    for path, content in rows:
        try:
            request.changes.append(_change(content, tags, zone))
        except Invalid as invalid:
            fault = invalid.faults[0]
            where = ".".join(map(str, (*path, *fault.path)))
            request.errors.append(f"{where}: {fault.message}")
    return request


def _rows(sent: Sent, frame: _Frame) -> Sequence[Row]:
    if sent.media == FORM:
        form = import_form.read(sent.body, sent.content_type)
        frame.texts.append(form.fields)
        return import_csv.rows(form.file)
    if sent.media == CSV:
        charset = import_form.charset(sent.content_type)
        if charset not in _CHARSETS:
            raise Malformed(f"The file has to be UTF-8, not {charset[:40]}")
        return import_csv.rows(sent.body)
    members = request_body.read_members(sent.body)
    known = {"contacts", "tags", *_SWITCHES}
    frame.values = {key: request_body.decode(raw, (key,)) for key, raw in members.items() if key in known}
    opt_outs = OptOuts()
    rows = [_row(("contacts", index), one, opt_outs) for index, one in enumerate(_contacts(frame))]
    frame.faults += opt_outs.faults
    return rows


def _contacts(frame: _Frame) -> list[Any]:
    contacts = frame.values.get("contacts")
    if not isinstance(contacts, list):
        message = str(wrong_type_error("array", contacts)) if "contacts" in frame.values else "Required"
        frame.faults.append(Fault(("contacts",), message))
        return []
    if len(contacts) > MOST_CONTACTS:
        raise TooLarge(MOST_CONTACTS, "contacts")
    return contacts


def _row(path: Path, contact: Any, opt_outs: OptOuts) -> Row:
    if not isinstance(contact, dict):
        return path, Invalid.at((), str(wrong_type_error("object", contact)))
    try:
        fields, attributes = input_contacts.read(contact, CONTAINERS, imported=True)
    except Invalid as invalid:
        return path, invalid
    return path, Content(fields, attributes, _lowered(path, contact, opt_outs))


def _lowered(path: Path, contact: Mapping[str, Any], opt_outs: OptOuts) -> str | None:
    """Return the status that a contact in JSON is lowered to, by keys of its own or of its custom fields."""
    unknown = {key: value for key, value in contact.items() if key not in input_contacts.IMPORTED}
    lowered = opt_outs.read_object(unknown, path)
    for container in (*CONTAINERS, "attributes"):
        if isinstance(members := contact.get(container), dict):
            lowered = stricter(lowered, opt_outs.read_object(members, (*path, container)))
    return lowered


def _switch(frame: _Frame) -> bool:
    words = {"true": True, "false": False}
    given = [(key, words.get(one[key], one[key])) for one in frame.texts for key in _SWITCHES if key in one]
    given += [(key, frame.values[key]) for key in _SWITCHES if key in frame.values]
    found: set[bool] = set()
    for key, value in given:
        if not isinstance(value, bool):
            frame.faults.append(Fault((key,), str(wrong_type_error("boolean", value))))
        else:
            found.add(value is _SWITCHES[key])
            if len(found) > 1:
                frame.faults.append(Fault((key,), "Contradicts another switch"))
    return found.pop() if len(found) == 1 else True


def _tags(frame: _Frame, zone: ZoneInfo) -> list[str]:
    written = frame.values.get("tags", [])
    try:
        if isinstance(written, list):
            written = [tag for one in frame.texts for tag in split_tags(one.get("tags", ""))] + written
        change = read_change({"tags": GivenValue(written, ("tags",))}, None, zone)
    except Invalid as invalid:
        frame.faults.extend(invalid.faults)
        return []
    except OperandError as unfit:
        frame.faults.append(Fault(("tags",), str(unfit)))
        return []
    tags: list[str] = change.values["tags"]
    return tags


def _change(content: Content | Invalid, tags: list[str], zone: ZoneInfo) -> ContactChange:
    if isinstance(content, Invalid):
        raise content
    require_email(content.fields, ("email",))
    change = read_change(content.fields, content.attributes, zone)
    return replace(change, added_tags=tuple(tags), lowered=content.lowered)
