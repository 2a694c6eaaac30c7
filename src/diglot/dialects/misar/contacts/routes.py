"""Contact calls, in both of the vendor's forms: id in the query (its clients) or in the path (its pages)."""

from typing import Final

import msgspec
from msgspec import UNSET

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.as_of import add_as_of_header, to_as_of
from diglot.api.formatting import whole_if_integral
from diglot.api.input.contacts import contact_reader
from diglot.api.input.search import build_search_condition
from diglot.api.operation import Operation
from diglot.conditions import tree
from diglot.dialects.misar import pagination, wire
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.contacts import wire as contacts_wire
from diglot.dialects.misar.contacts.tiers import tier_of_score
from diglot.dialects.misar.contacts.wire import ATTRIBUTES_KEY, ContactPageQuery
from diglot.errors import InvalidInput
from diglot.model.contacts import Contact, ContactChange
from diglot.model.ids import parse_id
from diglot.model.membership_changes import AsOf
from diglot.model.pages import HistoricalPage, MemberPage, Page, Sort, Window

_TAG: Final = "contacts"
_CONTACT_PATH: Final = "/contacts/{contact_id:str}"
# The filters are checked in this order; a page of the past is checked last.
_READING_ORDER: Final = ("page", "limit", "search", "status", "sort")
_AS_OF_NEEDS_SEGMENT: Final = (
    "The history says who was a member of a segment, not what contacts were like: "
    "give segment_id with it, and no id, status, search or sort"
)


@handles(
    Operation(
        "listContacts",
        "GET",
        "/contacts",
        _TAG,
        "List contacts, newest first or sorted",
        scope="read",
        query=ContactPageQuery,
        response=contacts_wire.ContactListAnswer,
        lists_members=True,
    )
)
async def list_contacts(call: Call) -> contacts_wire.ContactListAnswer | contacts_wire.ContactAnswer:
    reader = call.open_query()
    if reader.has("id"):
        if reader.has("as_of"):
            raise InvalidInput.at(("as_of",), _AS_OF_NEEDS_SEGMENT)
        return await _get_by_id(call, reader.read(ContactPageQuery, "id").id or "")
    reader.read(ContactPageQuery, *_READING_ORDER)
    query = reader.read(ContactPageQuery)
    reader.raise_faults()
    paging = pagination.PageRequest(query.page, query.limit)
    condition, sort = _build_condition(query), None if query.sort is UNSET else pagination.SORTS[query.sort]
    as_of = to_as_of(query.as_of, call.caller.zone)
    if as_of is not None and (query.segment_id is UNSET or condition is not None or sort is not None):
        raise InvalidInput.at(("as_of",), _AS_OF_NEEDS_SEGMENT)
    page: Page[Contact]
    if query.segment_id is UNSET:
        page = await call.services.contacts.list_page(call.caller, paging.window, condition, sort)
    else:
        id_ = parse_id(query.segment_id)
        page = members = await _list_members(call, id_, paging.window, condition, sort, as_of)
        add_as_of_header(call, members)
    shown = await call.show_contacts(page.items, contacts_show.show_contact)
    return contacts_wire.ContactListAnswer(
        success=True, data=shown, contacts=shown, pagination=paging.to_both_pagination(page)
    )


async def _list_members(  # noqa: PLR0913, PLR0917 - the filters of a list of contacts
    call: Call,
    segment: str | None,
    window: Window,
    condition: tree.Node | None,
    sort: Sort | None,
    as_of: AsOf | None,
) -> MemberPage[Contact] | HistoricalPage[Contact]:
    if as_of is not None:
        return await call.services.membership_history.list_members(call.caller, segment, window, as_of)
    return await call.services.segments.list_members(call.caller, segment, window, condition, sort)


def _build_condition(query: ContactPageQuery) -> tree.Node | None:
    words = build_search_condition(query.search or "")
    predicates = [] if words is None else [words]
    if query.status is not UNSET:
        predicates.append(tree.Predicate("status", tree.Op.EQUALS, tree.Text(query.status)))
    return tree.All(tuple(predicates)) if predicates else None


@handles(
    Operation(
        "createContact",
        "POST",
        "/contacts",
        _TAG,
        "Create a contact",
        scope="write",
        status=201,
        body=contacts_wire.ContactCreate,
        response=contacts_wire.ContactAnswer,
        may_conflict=True,
    )
)
async def create_contact(call: Call) -> contacts_wire.ContactAnswer:
    change = await _read_change(call, contacts_wire.ContactCreate)
    contact = await call.services.contacts.create(call.caller, change)
    return contacts_wire.ContactAnswer(success=True, data=contacts_show.show_contact(contact))


@handles(
    Operation(
        "getContact",
        "GET",
        _CONTACT_PATH,
        _TAG,
        "Get a contact",
        scope="read",
        response=contacts_wire.ContactAnswer,
    )
)
async def get_contact(call: Call) -> contacts_wire.ContactAnswer:
    return await _get_by_id(call, call.path_parameters["contact_id"])


@handles(
    Operation(
        "getContactScore",
        "GET",
        f"{_CONTACT_PATH}/score",
        _TAG,
        "Get the engagement score and tier of a contact",
        scope="read",
        response=contacts_wire.ContactScore,
    )
)
async def get_contact_score(call: Call) -> contacts_wire.ContactScore:
    contact = await call.services.contacts.get(call.caller, parse_id(call.path_parameters["contact_id"]))
    score = contact.engagement_score
    return contacts_wire.ContactScore(whole_if_integral(score), tier_of_score(score), success=True)


async def _get_by_id(call: Call, contact_id: str) -> contacts_wire.ContactAnswer:
    contact = await call.services.contacts.get(call.caller, parse_id(contact_id))
    return contacts_wire.ContactAnswer(success=True, data=contacts_show.show_contact(contact))


@handles(
    Operation(
        "updateContactByEmail",
        "PATCH",
        "/contacts",
        _TAG,
        "Update the contact with the id in the query, or else with the email in the body",
        scope="write",
        query=contacts_wire.ContactPatchQuery,
        body=contacts_wire.ContactPatchByEmail,
        response=contacts_wire.ContactAnswer,
        may_conflict=True,
    )
)
async def update_contact_by_email(call: Call) -> contacts_wire.ContactAnswer:
    query = call.read_query(contacts_wire.ContactPatchQuery)
    if query.id is not UNSET:
        return await _update_by_id(call, query.id)
    change = await _read_change(call, contacts_wire.ContactPatchByEmail, "email")
    contact = await call.services.contacts.update_by_email(call.caller, change.email, change)
    return contacts_wire.ContactAnswer(success=True, data=contacts_show.show_contact(contact))


@handles(
    Operation(
        "updateContact",
        "PATCH",
        _CONTACT_PATH,
        _TAG,
        "Update a contact; custom fields are merged, and null removes one",
        scope="write",
        body=contacts_wire.ContactPatch,
        response=contacts_wire.ContactAnswer,
        may_conflict=True,
    )
)
async def update_contact(call: Call) -> contacts_wire.ContactAnswer:
    return await _update_by_id(call, call.path_parameters["contact_id"])


async def _update_by_id(call: Call, contact_id: str) -> contacts_wire.ContactAnswer:
    id_ = parse_id(contact_id)
    async with call.not_found_first(lambda: call.services.contacts.get(call.caller, id_)):
        change = await _read_change(call, contacts_wire.ContactPatch)
    contact = await call.services.contacts.update(call.caller, id_, change)
    return contacts_wire.ContactAnswer(success=True, data=contacts_show.show_contact(contact))


@handles(
    Operation(
        "deleteContactByQuery",
        "DELETE",
        "/contacts",
        _TAG,
        "Delete the contact named in the query",
        scope="write",
        query=contacts_wire.ContactIdQuery,
        response=wire.Success,
    )
)
async def delete_contact_by_query(call: Call) -> wire.Success:
    return await _delete_by_id(call, call.read_query(contacts_wire.ContactIdQuery).id)


@handles(
    Operation(
        "deleteContact",
        "DELETE",
        _CONTACT_PATH,
        _TAG,
        "Delete a contact",
        scope="write",
        response=wire.Success,
    )
)
async def delete_contact(call: Call) -> wire.Success:
    return await _delete_by_id(call, call.path_parameters["contact_id"])


async def _delete_by_id(call: Call, contact_id: str) -> wire.Success:
    await call.services.contacts.delete(call.caller, parse_id(contact_id))
    return wire.Success(success=True)


async def _read_change(call: Call, struct: type[msgspec.Struct], *required: str) -> ContactChange:
    reader = contact_reader(struct, ATTRIBUTES_KEY)
    return reader.read_body(await call.read_object(), call.local_time, required=required)


ENDPOINTS: Final = (
    list_contacts,
    create_contact,
    get_contact,
    get_contact_score,
    update_contact_by_email,
    update_contact,
    delete_contact_by_query,
    delete_contact,
)
