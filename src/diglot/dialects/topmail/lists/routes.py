"""List calls of the vendor's Lists page. The calls that add and remove contacts are an extension."""

from typing import Final

from msgspec import UNSET, UnsetType

from diglot.api import warnings
from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.deletion import DeletionQuery
from diglot.api.input.body_reader import BodyReader
from diglot.api.operation import Operation
from diglot.dialects.topmail import pagination, wire, words
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.dialects.topmail.lists import contact_ids
from diglot.dialects.topmail.lists import show as lists_show
from diglot.dialects.topmail.lists import wire as lists_wire
from diglot.dialects.topmail.words import WORDS
from diglot.model.ids import parse_id
from diglot.model.lists import ContactList, CountedList
from diglot.model.segments import Condition, Rules, SegmentType
from diglot.service.audience.lists import NewList
from diglot.service.audience.segments import SegmentPatch as SegmentChange

_TAG: Final = "lists"
_CONDITION_KEY: Final = "conditions"
_LIST_PATH: Final = "/lists/{list_id:str}"
_NO_CONDITIONS_MESSAGE: Final = "Only a dynamic list has conditions"


@handles(
    Operation(
        "listLists",
        "GET",
        "/lists",
        _TAG,
        "List the lists with their member counts, newest first",
        scope="lists:read",
        query=lists_wire.ListQuery,
        response=lists_wire.ListListAnswer,
    )
)
async def list_lists(call: Call) -> lists_wire.ListListAnswer:
    query = call.read_query(lists_wire.ListQuery, "search", "type")
    window = pagination.to_window(query)
    kind = None if query.type is UNSET else SegmentType(query.type)
    search = None if query.search is UNSET else query.search
    page = await call.services.lists.list_page(call.caller, window, kind, search)
    warned = await warnings.warn_each(call, list(map(_rules_of, page.items)), _CONDITION_KEY)
    shown = list(map(lists_show.show_contact_list, page.items, warned))
    return lists_wire.ListListAnswer(shown, pagination.to_pagination(window, page.total))


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
        response=lists_wire.ListAnswer,
    )
)
async def create_list(call: Call) -> lists_wire.ListAnswer:
    reader = BodyReader(await call.read_object(unique_keys=True))
    body = reader.read(lists_wire.ListCreate)
    is_dynamic = body.type == SegmentType.DYNAMIC
    if is_dynamic:
        reader.require(_CONDITION_KEY)
    condition = _read_condition(call, reader, is_dynamic=is_dynamic)
    reader.raise_faults()
    new = NewList(
        body.name,
        None if body.description is UNSET else body.description,
        None if condition is UNSET else condition,
    )
    return await _show_list(call, await call.services.lists.create(call.caller, new))


def _read_condition(call: Call, reader: BodyReader, *, is_dynamic: bool) -> Condition | UnsetType:
    """Read `conditions`; a static list may send null, because responses show null."""
    if is_dynamic or not reader.has(_CONDITION_KEY):
        return reader.read_condition(_CONDITION_KEY, words.DIALECT_NAME, WORDS, strict=call.services.strict)
    if not reader.is_null(_CONDITION_KEY):
        reader.add_fault((_CONDITION_KEY,), _NO_CONDITIONS_MESSAGE)
    return UNSET


@handles(
    Operation(
        "getList",
        "GET",
        _LIST_PATH,
        _TAG,
        "Get a list with its member count",
        scope="lists:read",
        response=lists_wire.ListAnswer,
    )
)
async def get_list(call: Call) -> lists_wire.ListAnswer:
    counted = await call.services.lists.get(call.caller, parse_id(call.path_parameters["list_id"]))
    return await _show_list(call, counted)


@handles(
    Operation(
        "updateList",
        "PATCH",
        _LIST_PATH,
        _TAG,
        "Update a list; fields that are left out stay",
        scope="lists:write",
        body=lists_wire.ListPatch,
        response=lists_wire.ListAnswer,
    )
)
async def update_list(call: Call) -> lists_wire.ListAnswer:
    id_ = parse_id(call.path_parameters["list_id"])
    stored = await call.services.lists.get_without_count(call.caller, id_)
    change = await _read_patch(call, stored)
    return await _show_list(call, await call.services.lists.update(call.caller, id_, change))


async def _show_list(call: Call, counted: CountedList) -> lists_wire.ListAnswer:
    warned = await warnings.warn(call, _rules_of(counted), _CONDITION_KEY)
    return lists_wire.ListAnswer(lists_show.show_contact_list(counted, warned))


def _rules_of(counted: CountedList) -> Rules | None:
    segment = counted.list.segment
    return None if segment is None else segment.rules


async def _read_patch(call: Call, stored: ContactList) -> SegmentChange:
    reader = BodyReader(await call.read_object(unique_keys=True))
    body = reader.read(lists_wire.ListPatch)
    kind = reader.read(lists_wire.ListType).type
    if kind is not UNSET and kind != stored.type:
        reader.add_fault(("type",), "The type of a list cannot be changed")
    condition = _read_condition(call, reader, is_dynamic=stored.type is SegmentType.DYNAMIC)
    reader.raise_faults()
    return SegmentChange(body.name, body.description, condition)


@handles(
    Operation(
        "deleteList",
        "DELETE",
        _LIST_PATH,
        _TAG,
        "Delete a list; its contacts stay",
        scope="lists:delete",
        query=DeletionQuery,
        may_conflict=True,
        response=wire.DeletedAnswer,
    )
)
async def delete_list(call: Call) -> wire.DeletedAnswer:
    id_ = parse_id(call.path_parameters["list_id"])
    async with call.not_found_first(lambda: call.services.lists.get_without_count(call.caller, id_)):
        query = call.read_query(DeletionQuery)
    await call.services.lists.delete(call.caller, id_, force=query.force)
    return wire.DeletedAnswer(wire.Deleted(success=True))


@handles(
    Operation(
        "listListMembers",
        "GET",
        f"{_LIST_PATH}/members",
        _TAG,
        "List the contacts on a list, static or dynamic, newest first",
        scope="lists:read",
        query=wire.WindowQuery,
        response=contacts_wire.SegmentContactsAnswer,
    )
)
async def list_members(call: Call) -> contacts_wire.SegmentContactsAnswer:
    id_ = parse_id(call.path_parameters["list_id"])
    async with call.not_found_first(lambda: call.services.lists.get_without_count(call.caller, id_)):
        window = pagination.to_window(call.read_query(wire.WindowQuery))
    page = await call.services.lists.list_members(call.caller, id_, window)
    shown = await call.show_contacts(page.items, contacts_show.show_contact)
    return contacts_wire.SegmentContactsAnswer(shown, pagination.to_members_pagination(window, page))


@handles(
    Operation(
        "addListMembers",
        "POST",
        f"{_LIST_PATH}/members",
        _TAG,
        "Add contacts to a static list, all of them or none; its present contacts stay",
        scope="lists:write",
        body=lists_wire.NamedContacts,
        response=lists_wire.JoinedAnswer,
    )
)
async def add_list_members(call: Call) -> lists_wire.JoinedAnswer:
    id_ = parse_id(call.path_parameters["list_id"])
    async with call.not_found_first(lambda: call.services.lists.get_without_count(call.caller, id_)):
        ids = contact_ids.read_contact_ids(await call.read_object())
    added, count = await call.services.lists.add_contacts(call.caller, id_, ids)
    return lists_wire.JoinedAnswer(lists_wire.Joined(added, count))


@handles(
    Operation(
        "removeListMember",
        "DELETE",
        f"{_LIST_PATH}/members/{{contact_id:str}}",
        _TAG,
        "Remove a contact from a static list; the contact itself stays",
        scope="lists:write",
        response=wire.DeletedAnswer,
    )
)
async def remove_list_member(call: Call) -> wire.DeletedAnswer:
    path = call.path_parameters
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
