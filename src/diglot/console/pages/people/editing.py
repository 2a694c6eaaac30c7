"""Creating, editing and deleting a contact, with the checks and the transactions of the APIs."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from litestar.types import ASGIApp

from diglot.api.input.contacts import LocalTime
from diglot.conditions.fields import STATUSES, stricter
from diglot.console.answers import Html, Redirect
from diglot.console.pages.people.contact_form import ContactForm, open_form, read_form
from diglot.console.pages.people.contact_struct import ATTRIBUTES_KEY, form_reader
from diglot.console.pages.people.contact_texts import (
    TYPES,
    digest,
    read_attribute,
    read_field,
    split_attribute,
    write_texts,
)
from diglot.console.templates import WallClock
from diglot.console.visit import Visit
from diglot.errors import Conflict, DiglotError, InvalidInput, LimitReached
from diglot.model.contacts import SUBSCRIBED, Contact, ContactChange
from diglot.model.ids import parse_id

_CHOOSE_STATUS: Final = "Choose whether this person may get email"
_EXISTS: Final = "The contact has this attribute already: change it in its own row"
_NEEDS_KEY: Final = "Write a name for this attribute"


class ChangedMeanwhileError(DiglotError):
    """Values that a person changed were changed by somebody else since the form was opened.

    `texts` are the stored ones of the names that differ.
    """

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        super().__init__(", ".join(texts))


async def show_new(visit: Visit) -> ASGIApp:
    """Show the form of a new contact."""
    return _show(visit, open_form({}), None)


async def create(visit: Visit) -> ASGIApp:
    """Create a contact; its status is chosen, never assumed."""
    form = read_form(await visit.read_form())
    if not form.find("status").text:
        form.find("status").fault = _CHOOSE_STATUS
    change = _read_change(visit, form, "email")
    if change is None or not _has_consent(form, None):
        return _show(visit, form, None)
    try:
        contact = await visit.services.contacts.create(visit.caller, change)
    except (Conflict, LimitReached) as error:
        _tell(form, error)
        return _show(visit, form, None)
    return Redirect(f"/console/contacts/{contact.id}?saved=yes")


async def show_edit(visit: Visit) -> ASGIApp:
    """Show the form of a contact."""
    contact = await visit.services.contacts.get(visit.caller, parse_id(visit.parameters["id"]))
    return _show(visit, open_form(write_texts(contact, _clock(visit))), contact)


async def save(visit: Visit) -> ASGIApp:
    """Write what a person changed, unless somebody else changed the same meanwhile."""
    sent = await visit.read_form()
    contact = await visit.services.contacts.get(visit.caller, parse_id(visit.parameters["id"]))
    form = read_form(sent)
    change = _read_change(visit, form)
    if change is None or not _has_consent(form, contact):
        return _show(visit, form, contact)
    check = _build_check(form, _clock(visit))
    try:
        await visit.services.contacts.update(visit.caller, contact.id, change, check)
    except ChangedMeanwhileError as error:
        _show_changed(form, error.texts)
        return _show(visit, form, contact, 409)
    except Conflict as error:
        _tell(form, error)
        return _show(visit, form, contact)
    return Redirect(f"/console/contacts/{contact.id}?saved=yes")


async def delete(visit: Visit) -> ASGIApp:
    """Delete a contact; what other tables keep of it stays (see `person`)."""
    await visit.services.contacts.delete(visit.caller, parse_id(visit.parameters["id"]))
    return Redirect("/console/contacts")


def _show(visit: Visit, form: ContactForm, contact: Contact | None, status: int = 0) -> Html:
    is_refused = form.has_faults or form.asks_consent
    return visit.show(
        "people/edit.html",
        status=status or (400 if is_refused else 200),
        form=form,
        contact=contact,
        statuses=STATUSES,
        types=TYPES,
    )


def _clock(visit: Visit) -> WallClock:
    return WallClock(visit.caller.zone.key)


def _read_change(visit: Visit, form: ContactForm, *required: str) -> ContactChange | None:
    """Return the change of the inputs that differ, or None if there are faults, which the form then has."""
    wanted = [*form.list_changed(), *map(form.find, required)]
    members: dict[str, Any] = {one.name: read_field(one.name, one.text) for one in wanted}
    if attributes := _read_attributes(form):
        members[ATTRIBUTES_KEY] = attributes
    time = LocalTime(visit.caller.zone, visit.services.contacts.clock())
    try:
        change = form_reader().read_object(members).to_change(time)
    except InvalidInput as error:
        for fault in error.faults:
            _place_fault(form, fault.path, fault.message)
        return None
    return None if form.has_faults else change


def _read_attributes(form: ContactForm) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in form.list_changed_attributes():
        if not one.key.strip():
            one.fault = _NEEDS_KEY
        elif one.is_new and (one.name in form.shown or one.key in found):
            one.fault = _EXISTS
        elif one.is_removed:
            found[one.key] = None
        else:
            try:
                found[one.key] = read_attribute(one.type, one.text)
            except ValueError as error:
                one.fault = str(error)
    return found


def _place_fault(form: ContactForm, path: Sequence[str | int], message: str) -> None:
    """Show a fault beside its input; that of no input above all."""
    name = str(path[0]) if path else ""
    if name == ATTRIBUTES_KEY and len(path) > 1:
        for one in form.attributes:
            if one.key == path[1]:
                one.fault = message
                return
    for other in form.inputs:
        if other.name == name:
            other.fault = message
            return
    form.faults.append(message)


def _has_consent(form: ContactForm, contact: Contact | None) -> bool:
    """Tell whether a status is not raised, or raised with the tick that says what that means."""
    status = form.find("status")
    if contact is None:
        is_raised = status.text == SUBSCRIBED
    else:
        is_changed = status in form.list_changed()
        is_raised = is_changed and stricter(status.text, contact.status) != status.text
    form.asks_consent = is_raised and not form.has_consent
    return not form.asks_consent


def _build_check(form: ContactForm, clock: WallClock) -> Callable[[Contact], None]:
    """Return what refuses a contact whose changed values are not those that were shown."""
    names = form.list_changed_names()

    def check(stored: Contact) -> None:
        texts = write_texts(stored, clock)
        differing = {
            name: texts.get(name, "")
            for name in names
            if (digest(texts[name]) if name in texts else None) != form.shown.get(name)
        }
        if differing:
            raise ChangedMeanwhileError(differing)

    return check


def _show_changed(form: ContactForm, texts: dict[str, str]) -> None:
    """Show what is stored beside what a person wrote; sending the form again writes the latter."""
    for one in form.inputs:
        if one.name in texts:
            one.now = texts[one.name]
            form.shown[one.name] = digest(one.now)
    for row in form.attributes:
        if row.name in texts and not row.is_blank:
            stored = texts[row.name]
            row.now = split_attribute(stored)[1] if stored else ""
            row.is_new = not stored
            form.shown.pop(row.name, None)
            if stored:
                form.shown[row.name] = digest(stored)


def _tell(form: ContactForm, error: Conflict | LimitReached) -> None:
    if isinstance(error, Conflict):
        form.find("email").fault = str(error)
    else:
        form.faults.append(str(error))
