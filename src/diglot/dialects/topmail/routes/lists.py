"""Lists, as on the vendor's Lists page; putting contacts on one and taking them off is past what it shows."""

from typing import Final

from diglot.dialects import queries
from diglot.dialects.dialect import Call
from diglot.dialects.members import MISSING, Missing, Reader
from diglot.dialects.operations import Operation
from diglot.dialects.topmail import named, pages, show, wire, wire_lists
from diglot.dialects.topmail.conditions import WORDS
from diglot.model.ids import read_id
from diglot.model.lists import ContactList
from diglot.model.segments import Condition, SegmentType
from diglot.service.lists import NewList
from diglot.service.segments import KEEP, SegmentChange

_TAG: Final = "lists"
_ONE: Final = "/lists/{list_id:str}"
_LONGEST_NAME: Final = 100
_LONGEST_DESCRIPTION: Final = 500
_TYPES: Final = tuple(kind.value for kind in (SegmentType.STATIC, SegmentType.DYNAMIC))
_NO_CONDITIONS: Final = "Only a dynamic list has conditions"


@Operation(
    "listLists",
    "GET",
    "/lists",
    _TAG,
    "List the lists with their member counts, newest first",
    scope="lists:read",
    query=wire_lists.ListQuery,
    answer=wire_lists.ListListAnswer,
).handled_by
async def list_lists(call: Call) -> wire_lists.ListListAnswer:
    query = call.query
    search = queries.text(query, "search")
    kind = queries.choice(query, "type", _TYPES)
    window = pages.read(query)
    kinds = None if kind is None else SegmentType(kind)
    page = await call.services.lists.page(call.caller, window, kinds, search)
    shown = [show.contact_list(one) for one in page.items]
    return wire_lists.ListListAnswer(shown, pages.shown(window, page.total))


@Operation(
    "createList",
    "POST",
    "/lists",
    _TAG,
    "Create a list, static or dynamic",
    scope="lists:write",
    status=201,
    body=wire_lists.ListCreate,
    answer=wire_lists.ListAnswer,
).handled_by
async def create_list(call: Call) -> wire_lists.ListAnswer:
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
    return wire_lists.ListAnswer(show.contact_list(await call.services.lists.create(call.caller, new)))


def _condition(call: Call, reader: Reader, *, dynamic: bool) -> Condition | Missing:
    """Read `conditions`; those of a static list may be null, as answers show them."""
    if dynamic or not reader.has("conditions"):
        return reader.condition("conditions", show.NAME, WORDS, call.caller, strict=call.services.strict)
    if not reader.is_null("conditions"):
        reader.fault(("conditions",), _NO_CONDITIONS)
    return MISSING


@Operation(
    "getList",
    "GET",
    _ONE,
    _TAG,
    "Get a list with its member count",
    scope="lists:read",
    answer=wire_lists.ListAnswer,
).handled_by
async def get_list(call: Call) -> wire_lists.ListAnswer:
    found = await call.services.lists.get(call.caller, read_id(call.path["list_id"]))
    return wire_lists.ListAnswer(show.contact_list(found))


@Operation(
    "updateList",
    "PATCH",
    _ONE,
    _TAG,
    "Change a list; what is not given stays",
    scope="lists:write",
    body=wire_lists.ListPatch,
    answer=wire_lists.ListAnswer,
).handled_by
async def update_list(call: Call) -> wire_lists.ListAnswer:
    id_ = read_id(call.path["list_id"])
    stored = await call.services.lists.look_up(call.caller, id_)
    change = await _change(call, stored)
    return wire_lists.ListAnswer(
        show.contact_list(await call.services.lists.change(call.caller, id_, change))
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


@Operation(
    "deleteList",
    "DELETE",
    _ONE,
    _TAG,
    "Delete a list; its contacts stay",
    scope="lists:delete",
    answer=wire.DeletedAnswer,
).handled_by
async def delete_list(call: Call) -> wire.DeletedAnswer:
    await call.services.lists.delete(call.caller, read_id(call.path["list_id"]))
    return wire.DeletedAnswer(wire.Deleted(success=True))


@Operation(
    "listListMembers",
    "GET",
    f"{_ONE}/members",
    _TAG,
    "List the contacts on a list, static or dynamic, newest first",
    scope="lists:read",
    query=wire.WindowQuery,
    answer=wire.SegmentContactsAnswer,
).handled_by
async def list_members(call: Call) -> wire.SegmentContactsAnswer:
    id_ = read_id(call.path["list_id"])
    async with call.or_missing(lambda: call.services.lists.look_up(call.caller, id_)):
        window = pages.read(call.query)
    page = await call.services.lists.members(call.caller, id_, window)
    shown = [show.contact(one) for one in page.items]
    return wire.SegmentContactsAnswer(shown, pages.shown_to_members(window, page))


@Operation(
    "addListMembers",
    "POST",
    f"{_ONE}/members",
    _TAG,
    "Put contacts on a static list, all of them or none; those who are on it stay",
    scope="lists:write",
    body=wire_lists.NamedContacts,
    answer=wire_lists.JoinedAnswer,
).handled_by
async def add_list_members(call: Call) -> wire_lists.JoinedAnswer:
    id_ = read_id(call.path["list_id"])
    async with call.or_missing(lambda: call.services.lists.look_up(call.caller, id_)):
        ids = named.read(await call.members())
    added, count = await call.services.lists.add(call.caller, id_, ids)
    return wire_lists.JoinedAnswer(wire_lists.Joined(added, count))


@Operation(
    "removeListMember",
    "DELETE",
    f"{_ONE}/members/{{contact_id:str}}",
    _TAG,
    "Take a contact off a static list; the contact stays",
    scope="lists:write",
    answer=wire.DeletedAnswer,
).handled_by
async def remove_list_member(call: Call) -> wire.DeletedAnswer:
    path = call.path
    await call.services.lists.remove(call.caller, read_id(path["list_id"]), read_id(path["contact_id"]))
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
