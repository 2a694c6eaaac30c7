"""Contact calls of the vendor's Contacts page."""

from typing import Final

from msgspec import UNSET

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.input.contacts import contact_reader
from diglot.api.input.search import build_search_condition
from diglot.api.operation import Operation
from diglot.conditions import tree
from diglot.dialects.topmail import pagination as topmail_pagination
from diglot.dialects.topmail import wire
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.model.ids import parse_id

_TAG: Final = "contacts"
_CONTACT_PATH: Final = "/contacts/{contact_id:str}"


@handles(
    Operation(
        "listContacts",
        "GET",
        "/contacts",
        _TAG,
        "List contacts, newest first",
        scope="contacts:read",
        query=contacts_wire.ContactQuery,
        response=contacts_wire.SegmentContactsAnswer,
    )
)
async def list_contacts(call: Call) -> contacts_wire.SegmentContactsAnswer:
    query = call.read_query(contacts_wire.ContactQuery, "search", "subscribed")
    condition = _build_condition(query)
    window = topmail_pagination.to_window(query)
    if query.list_id is not UNSET:
        id_ = parse_id(query.list_id)
        page = await call.services.lists.list_members(call.caller, id_, window, condition)
        pagination = topmail_pagination.to_members_pagination(window, page)
    else:
        page = await call.services.contacts.list_page(call.caller, window, condition)
        pagination = topmail_pagination.to_contacts_pagination(window, page.total)
    return contacts_wire.SegmentContactsAnswer(
        await call.show_contacts(page.items, contacts_show.show_contact), pagination
    )


def _build_condition(query: contacts_wire.ContactQuery) -> tree.Node | None:
    words = build_search_condition(query.search or "")
    predicates = [] if words is None else [words]
    if query.subscribed is not UNSET:
        predicates.append(tree.Predicate("subscribed", tree.Op.EQUALS, tree.Boolean(query.subscribed)))
    return tree.All(tuple(predicates)) if predicates else None


@handles(
    Operation(
        "createContact",
        "POST",
        "/contacts",
        _TAG,
        "Create a contact",
        scope="contacts:write",
        status=201,
        body=contacts_wire.ContactCreate,
        response=contacts_wire.ContactAnswer,
        may_conflict=True,
    )
)
async def create_contact(call: Call) -> contacts_wire.ContactAnswer:
    reader = contact_reader(contacts_wire.ContactCreate, contacts_wire.ATTRIBUTES_KEY)
    change = reader.read_body(await call.read_object(), call.local_time)
    return contacts_wire.ContactAnswer(
        contacts_show.show_contact(await call.services.contacts.create(call.caller, change))
    )


@handles(
    Operation(
        "getContact",
        "GET",
        _CONTACT_PATH,
        _TAG,
        "Get a contact with its lists",
        scope="contacts:read",
        response=contacts_wire.ContactDetailAnswer,
    )
)
async def get_contact(call: Call) -> contacts_wire.ContactDetailAnswer:
    contact_and_lists = await call.services.contacts.get_with_lists(
        call.caller, parse_id(call.path_parameters["contact_id"])
    )
    return contacts_wire.ContactDetailAnswer(contacts_show.show_contact_detail(*contact_and_lists))


@handles(
    Operation(
        "updateContact",
        "PATCH",
        _CONTACT_PATH,
        _TAG,
        "Update a contact; attributes are merged, and null removes one",
        scope="contacts:write",
        body=contacts_wire.ContactPatch,
        response=contacts_wire.ContactAnswer,
        may_conflict=True,
    )
)
async def update_contact(call: Call) -> contacts_wire.ContactAnswer:
    id_ = parse_id(call.path_parameters["contact_id"])
    async with call.not_found_first(lambda: call.services.contacts.get(call.caller, id_)):
        reader = contact_reader(contacts_wire.ContactPatch, contacts_wire.ATTRIBUTES_KEY)
        change = reader.read_body(await call.read_object(), call.local_time)
    contact = await call.services.contacts.update(call.caller, id_, change)
    return contacts_wire.ContactAnswer(contacts_show.show_contact(contact))


@handles(
    Operation(
        "deleteContact",
        "DELETE",
        _CONTACT_PATH,
        _TAG,
        "Delete a contact",
        scope="contacts:delete",
        response=wire.DeletedAnswer,
    )
)
async def delete_contact(call: Call) -> wire.DeletedAnswer:
    await call.services.contacts.delete(call.caller, parse_id(call.path_parameters["contact_id"]))
    return wire.DeletedAnswer(wire.Deleted(success=True))


ENDPOINTS: Final = (list_contacts, create_contact, get_contact, update_contact, delete_contact)
