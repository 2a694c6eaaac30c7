"""Contacts: the query forms that the vendor's clients send, and the path forms of its pages, together."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.as_of import read_as_of, tell
from diglot.api.formatting import whole_if_integral
from diglot.api.input import contacts, query_string
from diglot.api.operation import Operation
from diglot.conditions import tree
from diglot.conditions.fields import STATUS_ALIASES, STATUSES
from diglot.dialects.misar import pagination, wire
from diglot.dialects.misar.contacts import show as contacts_show
from diglot.dialects.misar.contacts import wire as contacts_wire
from diglot.dialects.misar.contacts.import_csv import CONTAINERS
from diglot.dialects.misar.contacts.tiers import tier
from diglot.errors import Invalid
from diglot.model.contacts import Contact, ContactChange
from diglot.model.ids import parse_id
from diglot.model.membership_changes import AsOf
from diglot.model.pages import HistoricalPage, MemberPage, Page, Sort, Window
from diglot.service.contacts.contact_input import read_change, require_email

_TAG: Final = "contacts"
_ONE: Final = "/contacts/{contact_id:str}"
_ONLY_MEMBERS: Final = (
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
        query=contacts_wire.ContactPageQuery,
        answer=contacts_wire.ContactListAnswer,
        lists_members=True,
    )
)
async def list_contacts(call: Call) -> contacts_wire.ContactListAnswer | contacts_wire.ContactAnswer:
    query = call.query
    if "id" in query:
        if "as_of" in query:
            raise Invalid.at(("as_of",), _ONLY_MEMBERS)
        return await _get(call, query["id"])
    paging = pagination.read(query, default=50)
    condition, sort = _condition(query), _sort(query)
    segment = query_string.spelled(query, "segment_id", "segmentId")
    as_of = read_as_of(call)
    if as_of is not None and (segment is None or condition is not None or sort is not None):
        raise Invalid.at(("as_of",), _ONLY_MEMBERS)
    page: Page[Contact]
    if segment is None:
        page = await call.services.contacts.list_page(call.caller, paging.window, condition, sort)
    else:
        page = members = await _members(call, parse_id(segment), paging.window, condition, sort, as_of)
        tell(call, members)
    shown = [contacts_show.contact(one) for one in page.items]
    return contacts_wire.ContactListAnswer(
        success=True, data=shown, contacts=shown, pagination=paging.shown_twice(page)
    )


async def _members(  # noqa: PLR0913, PLR0917 - what a list of contacts may be narrowed to
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


def _condition(query: dict[str, str]) -> tree.Node | None:
    status = query_string.text(query, "status")
    words = contacts.search(query_string.text(query, "search") or "")
    found = [] if words is None else [words]
    if status is not None:
        status = STATUS_ALIASES.get(status, status)
        if status not in STATUSES:
            raise Invalid.at(("status",), f"Invalid enum value. Expected one of {', '.join(STATUSES)}")
        found.append(tree.Predicate("status", tree.Op.EQUALS, tree.Text(status)))
    return tree.All(tuple(found)) if found else None


def _sort(query: dict[str, str]) -> Sort | None:
    written = query_string.choice(query, "sort", tuple(pagination.SORTS))
    return None if written is None else pagination.SORTS[written]


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
        answer=contacts_wire.ContactAnswer,
        conflict=True,
    )
)
async def create_contact(call: Call) -> contacts_wire.ContactAnswer:
    change = await _change(call, required=True)
    contact = await call.services.contacts.create(call.caller, change)
    return contacts_wire.ContactAnswer(success=True, data=contacts_show.contact(contact))


@handles(
    Operation(
        "getContact",
        "GET",
        _ONE,
        _TAG,
        "Get a contact",
        scope="read",
        answer=contacts_wire.ContactAnswer,
    )
)
async def get_contact(call: Call) -> contacts_wire.ContactAnswer:
    return await _get(call, call.path["contact_id"])


@handles(
    Operation(
        "getContactScore",
        "GET",
        f"{_ONE}/score",
        _TAG,
        "Tell how engaged a contact is",
        scope="read",
        answer=contacts_wire.ContactScore,
    )
)
async def get_contact_score(call: Call) -> contacts_wire.ContactScore:
    contact = await call.services.contacts.get(call.caller, parse_id(call.path["contact_id"]))
    score = contact.engagement_score
    return contacts_wire.ContactScore(whole_if_integral(score), tier(score), success=True)


async def _get(call: Call, contact_id: str) -> contacts_wire.ContactAnswer:
    contact = await call.services.contacts.get(call.caller, parse_id(contact_id))
    return contacts_wire.ContactAnswer(success=True, data=contacts_show.contact(contact))


@handles(
    Operation(
        "updateContactByEmail",
        "PATCH",
        "/contacts",
        _TAG,
        "Change the contact that has the id in the query, else the email in the body",
        scope="write",
        query=contacts_wire.ContactPatchQuery,
        body=contacts_wire.ContactPatchByEmail,
        answer=contacts_wire.ContactAnswer,
        conflict=True,
    )
)
async def update_contact_by_email(call: Call) -> contacts_wire.ContactAnswer:
    query = call.query
    if "id" in query:
        return await _update(call, query["id"])
    change = await _change(call, required=True)
    contact = await call.services.contacts.update_by_email(call.caller, change.email, change)
    return contacts_wire.ContactAnswer(success=True, data=contacts_show.contact(contact))


@handles(
    Operation(
        "updateContact",
        "PATCH",
        _ONE,
        _TAG,
        "Change a contact; custom fields merge, null removes one",
        scope="write",
        body=contacts_wire.ContactPatch,
        answer=contacts_wire.ContactAnswer,
        conflict=True,
    )
)
async def update_contact(call: Call) -> contacts_wire.ContactAnswer:
    return await _update(call, call.path["contact_id"])


async def _update(call: Call, contact_id: str) -> contacts_wire.ContactAnswer:
    id_ = parse_id(contact_id)
    async with call.or_missing(lambda: call.services.contacts.get(call.caller, id_)):
        change = await _change(call, required=False)
    contact = await call.services.contacts.update(call.caller, id_, change)
    return contacts_wire.ContactAnswer(success=True, data=contacts_show.contact(contact))


@handles(
    Operation(
        "deleteContactByQuery",
        "DELETE",
        "/contacts",
        _TAG,
        "Delete the contact named in the query",
        scope="write",
        query=contacts_wire.ContactIdQuery,
        answer=wire.Success,
    )
)
async def delete_contact_by_query(call: Call) -> wire.Success:
    written = call.query.get("id")
    if written is None:
        raise Invalid.at(("id",), "Required")
    return await _delete(call, written)


@handles(
    Operation(
        "deleteContact",
        "DELETE",
        _ONE,
        _TAG,
        "Delete a contact",
        scope="write",
        answer=wire.Success,
    )
)
async def delete_contact(call: Call) -> wire.Success:
    return await _delete(call, call.path["contact_id"])


async def _delete(call: Call, contact_id: str) -> wire.Success:
    await call.services.contacts.delete(call.caller, parse_id(contact_id))
    return wire.Success(success=True)


async def _change(call: Call, *, required: bool) -> ContactChange:
    values = contacts.decoded(await call.members(), CONTAINERS)
    fields, attributes = contacts.read(values, CONTAINERS)
    if required:
        require_email(fields, ("email",))
    return read_change(fields, attributes, call.caller.zone)


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
