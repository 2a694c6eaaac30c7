"""Lists, as on the vendor's Lists page; putting contacts on one and taking them off is past what it shows."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.input import query_string
from diglot.api.input.body_reader import MISSING, Missing, Reader
from diglot.api.operation import Operation
from diglot.dialects.topmail import contact_ids, pagination, wire, words
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.dialects.topmail.lists import show as lists_show
from diglot.dialects.topmail.lists import wire as lists_wire
from diglot.dialects.topmail.words import WORDS
from diglot.model.ids import parse_id
from diglot.model.lists import ContactList
from diglot.model.segments import Condition, SegmentType
from diglot.service.audience.lists import NewList
from diglot.service.audience.segments import KEEP
from diglot.service.audience.segments import SegmentPatch as SegmentChange

_TAG: Final = "lists"
_ONE: Final = "/lists/{list_id:str}"
_LONGEST_NAME: Final = 100
_LONGEST_DESCRIPTION: Final = 500
_TYPES: Final = tuple(kind.value for kind in (SegmentType.STATIC, SegmentType.DYNAMIC))
_NO_CONDITIONS: Final = "Only a dynamic list has conditions"


@handles(
    Operation(
        "listLists",
        "GET",
        "/lists",
        _TAG,
        "List the lists with their member counts, newest first",
        scope="lists:read",
        query=lists_wire.ListQuery,
        answer=lists_wire.ListListAnswer,
    )
)
async def list_lists(call: Call) -> lists_wire.ListListAnswer:
    query = call.query
    search = query_string.text(query, "search")
    kind = query_string.choice(query, "type", _TYPES)
    window = pagination.read(query)
    kinds = None if kind is None else SegmentType(kind)
    page = await call.services.lists.list_page(call.caller, window, kinds, search)
    shown = [lists_show.contact_list(one) for one in page.items]
    return lists_wire.ListListAnswer(shown, pagination.shown(window, page.total))


@handles(
    Operation(
        "createList",
        "POST",
        "/lists",
        _TAG,
        "Create a list, static or dynamic",
        scope="lists:write",
        status=201,
        body=lists_wire.ListCreate,
        answer=lists_wire.ListAnswer,
    )
)
async def create_list(call: Call) -> lists_wire.ListAnswer:
    reader = Reader(await call.members(unique=True))
    reader.required("name")
    name = reader.name("name", _LONGEST_NAME)
    description = reader.text_or_null("description", _LONGEST_DESCRIPTION)
    kind = reader.choice("type", _TYPES)
    dynamic = kind == SegmentType.DYNAMIC
    if dynamic:
        reader.required("conditions")
    condition = _condition(call, reader, dynamic=dynamic)
    reader.finish()
    assert not isinstance(name, Missing)
    new = NewList(
        name,
        None if isinstance(description, Missing) else description,
        None if isinstance(condition, Missing) else condition,
    )
    return lists_wire.ListAnswer(lists_show.contact_list(await call.services.lists.create(call.caller, new)))


def _condition(call: Call, reader: Reader, *, dynamic: bool) -> Condition | Missing:
    """Read `conditions`; those of a static list may be null, as answers show them."""
    if dynamic or not reader.has("conditions"):
        return reader.condition("conditions", words.NAME, WORDS, call.caller, strict=call.services.strict)
    if not reader.is_null("conditions"):
        reader.fault(("conditions",), _NO_CONDITIONS)
    return MISSING


@handles(
    Operation(
        "getList",
        "GET",
        _ONE,
        _TAG,
        "Get a list with its member count",
        scope="lists:read",
        answer=lists_wire.ListAnswer,
    )
)
async def get_list(call: Call) -> lists_wire.ListAnswer:
    found = await call.services.lists.get(call.caller, parse_id(call.path["list_id"]))
    return lists_wire.ListAnswer(lists_show.contact_list(found))


@handles(
    Operation(
        "updateList",
        "PATCH",
        _ONE,
        _TAG,
        "Change a list; what is not given stays",
        scope="lists:write",
        body=lists_wire.ListPatch,
        answer=lists_wire.ListAnswer,
    )
)
async def update_list(call: Call) -> lists_wire.ListAnswer:
    id_ = parse_id(call.path["list_id"])
    stored = await call.services.lists.get_without_count(call.caller, id_)
    change = await _change(call, stored)
    return lists_wire.ListAnswer(
        lists_show.contact_list(await call.services.lists.update(call.caller, id_, change))
    )


async def _change(call: Call, stored: ContactList) -> SegmentChange:
    reader = Reader(await call.members(unique=True))
    name = reader.name("name", _LONGEST_NAME)
    description = reader.text_or_null("description", _LONGEST_DESCRIPTION)
    kind = reader.choice("type", _TYPES)
    if not isinstance(kind, Missing) and kind != stored.type:
        reader.fault(("type",), "The type of a list cannot be changed")
    condition = _condition(call, reader, dynamic=stored.type is SegmentType.DYNAMIC)
    reader.finish()
    return SegmentChange(
        KEEP if isinstance(name, Missing) else name,
        KEEP if isinstance(description, Missing) else description,
        KEEP if isinstance(condition, Missing) else condition,
    )


@handles(
    Operation(
        "deleteList",
        "DELETE",
        _ONE,
        _TAG,
        "Delete a list; its contacts stay",
        scope="lists:delete",
        answer=wire.DeletedAnswer,
    )
)
async def delete_list(call: Call) -> wire.DeletedAnswer:
    await call.services.lists.delete(call.caller, parse_id(call.path["list_id"]))
    return wire.DeletedAnswer(wire.Deleted(success=True))


@handles(
    Operation(
        "listListMembers",
        "GET",
        f"{_ONE}/members",
        _TAG,
        "List the contacts on a list, static or dynamic, newest first",
        scope="lists:read",
        query=wire.WindowQuery,
        answer=contacts_wire.SegmentContactsAnswer,
    )
)
async def list_members(call: Call) -> contacts_wire.SegmentContactsAnswer:
    id_ = parse_id(call.path["list_id"])
    async with call.or_missing(lambda: call.services.lists.get_without_count(call.caller, id_)):
        window = pagination.read(call.query)
    page = await call.services.lists.list_members(call.caller, id_, window)
    shown = [contacts_show.contact(one) for one in page.items]
    return contacts_wire.SegmentContactsAnswer(shown, pagination.shown_to_members(window, page))


@handles(
    Operation(
        "addListMembers",
        "POST",
        f"{_ONE}/members",
        _TAG,
        "Put contacts on a static list, all of them or none; those who are on it stay",
        scope="lists:write",
        body=lists_wire.NamedContacts,
        answer=lists_wire.JoinedAnswer,
    )
)
async def add_list_members(call: Call) -> lists_wire.JoinedAnswer:
    id_ = parse_id(call.path["list_id"])
    async with call.or_missing(lambda: call.services.lists.get_without_count(call.caller, id_)):
        ids = contact_ids.read(await call.members())
    added, count = await call.services.lists.add_contacts(call.caller, id_, ids)
    return lists_wire.JoinedAnswer(lists_wire.Joined(added, count))


@handles(
    Operation(
        "removeListMember",
        "DELETE",
        f"{_ONE}/members/{{contact_id:str}}",
        _TAG,
        "Take a contact off a static list; the contact stays",
        scope="lists:write",
        answer=wire.DeletedAnswer,
    )
)
async def remove_list_member(call: Call) -> wire.DeletedAnswer:
    path = call.path
    await call.services.lists.remove_contact(
        call.caller, parse_id(path["list_id"]), parse_id(path["contact_id"])
    )
    return wire.DeletedAnswer(wire.Deleted(success=True))


ENDPOINTS: Final = (
    list_lists,
    create_list,
    get_list,
    update_list,
    delete_list,
    list_members,
    add_list_members,
    remove_list_member,
)
