"""Contacts, as on the vendor's Contacts page."""

from typing import Final

from diglot.api import contact_input, query_string
from diglot.api.dialect import Call
from diglot.api.operation import Operation
from diglot.conditions import tree
from diglot.dialects.topmail import pagination as topmail_pagination
from diglot.dialects.topmail import wire
from diglot.dialects.topmail.segments import show
from diglot.model.ids import read_id
from diglot.service.contacts.contact_input import Given, read_change, require_email

_TAG: Final = "contacts"
_ONE: Final = "/contacts/{contact_id:str}"
_CONTAINERS: Final = ("attributes",)


@Operation(
    "listContacts",
    "GET",
    "/contacts",
    _TAG,
    "List contacts, newest first",
    scope="contacts:read",
    query=wire.ContactQuery,
    answer=wire.SegmentContactsAnswer,
).handled_by
async def list_contacts(call: Call) -> wire.SegmentContactsAnswer:
    query = call.query
    condition = _condition(query)
    window = topmail_pagination.read(query)
    if "list_id" in query:
        id_ = read_id(query["list_id"])
        page = await call.services.lists.members(call.caller, id_, window, condition)
        pagination = topmail_pagination.shown_to_members(window, page)
    else:
        page = await call.services.contacts.page(call.caller, window, condition)
        pagination = topmail_pagination.shown_to_all(window, page.total)
    return wire.SegmentContactsAnswer([show.contact(one) for one in page.items], pagination)


def _condition(query: dict[str, str]) -> tree.Node | None:
    words = contact_input.search(query_string.text(query, "search") or "")
    subscribed = query_string.boolean(query, "subscribed")
    found = [] if words is None else [words]
    if subscribed is not None:
        found.append(tree.Predicate("subscribed", tree.Op.EQUALS, tree.Boolean(subscribed)))
    return tree.All(tuple(found)) if found else None


@Operation(
    "createContact",
    "POST",
    "/contacts",
    _TAG,
    "Create a contact",
    scope="contacts:write",
    status=201,
    body=wire.ContactCreate,
    answer=wire.ContactAnswer,
    conflict=True,
).handled_by
async def create_contact(call: Call) -> wire.ContactAnswer:
    values = contact_input.decoded(await call.members(), _CONTAINERS, "list_id")
    fields, attributes = contact_input.read(values, _CONTAINERS)
    require_email(fields, ("email",))
    joined = Given(values["list_id"], ("list_id",)) if "list_id" in values else None
    change = read_change(fields, attributes, call.caller.zone, joined)
    return wire.ContactAnswer(show.contact(await call.services.contacts.create(call.caller, change)))


@Operation(
    "getContact",
    "GET",
    _ONE,
    _TAG,
    "Get a contact with its lists",
    scope="contacts:read",
    answer=wire.ContactDetailAnswer,
).handled_by
async def get_contact(call: Call) -> wire.ContactDetailAnswer:
    found = await call.services.contacts.get_with_lists(call.caller, read_id(call.path["contact_id"]))
    return wire.ContactDetailAnswer(show.contact_detail(*found))


@Operation(
    "updateContact",
    "PATCH",
    _ONE,
    _TAG,
    "Change a contact; attributes merge, null removes one",
    scope="contacts:write",
    body=wire.ContactPatch,
    answer=wire.ContactAnswer,
    conflict=True,
).handled_by
async def update_contact(call: Call) -> wire.ContactAnswer:
    id_ = read_id(call.path["contact_id"])
    async with call.or_missing(lambda: call.services.contacts.get(call.caller, id_)):
        values = contact_input.decoded(await call.members(), _CONTAINERS)
        change = read_change(*contact_input.read(values, _CONTAINERS), call.caller.zone)
    contact = await call.services.contacts.change(call.caller, id_, change)
    return wire.ContactAnswer(show.contact(contact))


@Operation(
    "deleteContact",
    "DELETE",
    _ONE,
    _TAG,
    "Delete a contact",
    scope="contacts:delete",
    answer=wire.DeletedAnswer,
).handled_by
async def delete_contact(call: Call) -> wire.DeletedAnswer:
    await call.services.contacts.delete(call.caller, read_id(call.path["contact_id"]))
    return wire.DeletedAnswer(wire.Deleted(success=True))


ENDPOINTS: Final = (list_contacts, create_contact, get_contact, update_contact, delete_contact)
