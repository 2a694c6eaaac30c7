"""The body of an import -> checked changes, one by one: a contact at fault is reported, not imported."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zoneinfo import ZoneInfo

from diglot.conditions.operands import expected
from diglot.dialects import bodies, contact_bodies
from diglot.errors import Fault, Invalid, TooLarge
from diglot.model.contacts import Change
from diglot.service.contact_values import Given, read_change, require_email

MOST_CONTACTS: Final = 10_000
# `metadata` is what they are in the older pages.
CONTAINERS: Final = ("custom_fields", "customFields", "metadata")
# The spellings of one switch, and what each means by true.
_SWITCHES: Final = {
    "updateExisting": True,
    "update_existing": True,
    "skipExisting": False,
    "skip_existing": False,
}


@dataclass(slots=True)
class ImportRequest:
    """An import: what to do, and what is wrong with the rest."""

    changes: list[Change] = field(default_factory=list)
    update_existing: bool = True
    errors: list[str] = field(default_factory=list)


def read_import(body: bytes, zone: ZoneInfo) -> ImportRequest:
    """Return the changes of an import; raise `Invalid` for its frame, `TooLarge` for too many."""
    members = bodies.read_members(body)
    known = {"contacts", "tags", *_SWITCHES}
    values = {key: bodies.decode(raw, (key,)) for key, raw in members.items() if key in known}
    faults: list[Fault] = []
    contacts = _contacts(values, faults)
    request = ImportRequest(update_existing=_switch(values, faults))
    tags = _tags(values, zone, faults)
    if faults:
        raise Invalid(faults)
    for index, contact in enumerate(contacts):
        try:
            request.changes.append(_change(contact, tags, zone))
        except Invalid as invalid:
            fault = invalid.faults[0]
            where = ".".join(map(str, ("contacts", index, *fault.path)))
            request.errors.append(f"{where}: {fault.message}")
    return request


def _contacts(values: Mapping[str, Any], faults: list[Fault]) -> list[Any]:
    contacts = values.get("contacts")
    if not isinstance(contacts, list):
        message = str(expected("array", contacts)) if "contacts" in values else "Required"
        faults.append(Fault(("contacts",), message))
        return []
    if len(contacts) > MOST_CONTACTS:
        raise TooLarge(MOST_CONTACTS, "contacts")
    return contacts


def _switch(values: Mapping[str, Any], faults: list[Fault]) -> bool:
    found: set[bool] = set()
    for key, meaning in _SWITCHES.items():
        if key not in values:
            continue
        value = values[key]
        if not isinstance(value, bool):
            faults.append(Fault((key,), str(expected("boolean", value))))
        else:
            found.add(value is meaning)
            if len(found) > 1:
                faults.append(Fault((key,), "Contradicts another switch"))
    return found.pop() if len(found) == 1 else True


def _tags(values: Mapping[str, Any], zone: ZoneInfo, faults: list[Fault]) -> list[str]:
    if "tags" not in values:
        return []
    try:
        change = read_change({"tags": Given(values["tags"], ("tags",))}, None, zone)
    except Invalid as invalid:
        faults.extend(invalid.faults)
        return []
    tags: list[str] = change.values["tags"]
    return tags


def _change(contact: Any, tags: list[str], zone: ZoneInfo) -> Change:
    if not isinstance(contact, dict):
        raise Invalid.at((), str(expected("object", contact)))
    fields, attributes = contact_bodies.read(contact, CONTAINERS, imported=True)
    require_email(fields, ("email",))
    if tags:
        own = fields.get("tags", Given([], ("tags",)))
        if isinstance(own.value, list):
            fields["tags"] = Given([*own.value, *tags], own.path)
    return read_change(fields, attributes, zone)
