"""Tag calls of the vendor's Tags page. The calls that tag and untag contacts are an extension."""

from typing import Final

from msgspec import UNSET

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.extensions.deletion import DeletionQuery
from diglot.api.input.body_reader import BodyReader
from diglot.api.operation import Operation
from diglot.dialects.topmail import pagination, wire
from diglot.dialects.topmail.contacts import show as contacts_show
from diglot.dialects.topmail.contacts import wire as contacts_wire
from diglot.dialects.topmail.lists import contact_ids
from diglot.dialects.topmail.lists import wire as lists_wire
from diglot.dialects.topmail.tags import show as tags_show
from diglot.dialects.topmail.tags import wire as tags_wire
from diglot.model.ids import parse_id
from diglot.service.audience.tags import TagPatch

_TAG: Final = "tags"
_TAG_PATH: Final = "/tags/{tag_id:str}"


@handles(
    Operation(
        "listTags",
        "GET",
        "/tags",
        _TAG,
        "List the tags with their contact counts, newest first",
        scope="contacts:read",
        query=tags_wire.TagQuery,
        response=tags_wire.TagListAnswer,
    )
)
async def list_tags(call: Call) -> tags_wire.TagListAnswer:
    query = call.read_query(tags_wire.TagQuery, "search")
    window, search = pagination.to_window(query), None if query.search is UNSET else query.search
    page = await call.services.tags.list_page(call.caller, window, search)
    return tags_wire.TagListAnswer(
        [tags_show.show_tag(tag) for tag in page.items], pagination.to_pagination(window, page.total)
    )


@handles(
    Operation(
        "createTag",
        "POST",
        "/tags",
        _TAG,
        "Create a tag",
        scope="contacts:write",
        status=201,
        body=tags_wire.TagCreate,
        response=tags_wire.TagAnswer,
        may_conflict=True,
    )
)
async def create_tag(call: Call) -> tags_wire.TagAnswer:
    new = await _read_patch(call, tags_wire.TagCreate)
    return tags_wire.TagAnswer(tags_show.show_tag(await call.services.tags.create(call.caller, new)))


async def _read_patch(call: Call, struct: type[tags_wire.TagCreate | tags_wire.TagPatch]) -> TagPatch:
    reader = BodyReader(await call.read_object())
    body = reader.read(struct)
    reader.raise_faults()
    return TagPatch(body.name, body.color, body.description)


@handles(
    Operation(
        "getTag",
        "GET",
        _TAG_PATH,
        _TAG,
        "Get a tag with its contact count",
        scope="contacts:read",
        response=tags_wire.TagAnswer,
    )
)
async def get_tag(call: Call) -> tags_wire.TagAnswer:
    tag = await call.services.tags.get(call.caller, parse_id(call.path_parameters["tag_id"]))
    return tags_wire.TagAnswer(tags_show.show_tag(tag))


@handles(
    Operation(
        "updateTag",
        "PATCH",
        _TAG_PATH,
        _TAG,
        "Update a tag; a new name also applies to its contacts",
        scope="contacts:write",
        body=tags_wire.TagPatch,
        response=tags_wire.TagAnswer,
        may_conflict=True,
    )
)
async def update_tag(call: Call) -> tags_wire.TagAnswer:
    id_ = parse_id(call.path_parameters["tag_id"])
    async with call.not_found_first(lambda: call.services.tags.get(call.caller, id_)):
        change = await _read_patch(call, tags_wire.TagPatch)
    return tags_wire.TagAnswer(tags_show.show_tag(await call.services.tags.update(call.caller, id_, change)))


@handles(
    Operation(
        "deleteTag",
        "DELETE",
        _TAG_PATH,
        _TAG,
        "Delete a tag and remove it from its contacts, which stay",
        scope="contacts:delete",
        query=DeletionQuery,
        may_conflict=True,
        response=wire.DeletedAnswer,
    )
)
async def delete_tag(call: Call) -> wire.DeletedAnswer:
    id_ = parse_id(call.path_parameters["tag_id"])
    async with call.not_found_first(lambda: call.services.tags.get(call.caller, id_)):
        query = call.read_query(DeletionQuery)
    await call.services.tags.delete(call.caller, id_, force=query.force)
    return wire.DeletedAnswer(wire.Deleted(success=True))


@handles(
    Operation(
        "listTagContacts",
        "GET",
        f"{_TAG_PATH}/contacts",
        _TAG,
        "List the contacts that have a tag, newest first",
        scope="contacts:read",
        query=wire.WindowQuery,
        response=contacts_wire.ContactListAnswer,
    )
)
async def list_tag_contacts(call: Call) -> contacts_wire.ContactListAnswer:
    id_ = parse_id(call.path_parameters["tag_id"])
    async with call.not_found_first(lambda: call.services.tags.get(call.caller, id_)):
        window = pagination.to_window(call.read_query(wire.WindowQuery))
    page = await call.services.tags.list_contacts(call.caller, id_, window)
    return contacts_wire.ContactListAnswer(
        await call.show_contacts(page.items, contacts_show.show_contact),
        pagination.to_pagination(window, page.total),
    )


@handles(
    Operation(
        "addTagContacts",
        "POST",
        f"{_TAG_PATH}/contacts",
        _TAG,
        "Add a tag to contacts, all of them or none",
        scope="contacts:write",
        body=lists_wire.NamedContacts,
        response=tags_wire.TaggedAnswer,
    )
)
async def add_tag_contacts(call: Call) -> tags_wire.TaggedAnswer:
    id_ = parse_id(call.path_parameters["tag_id"])
    async with call.not_found_first(lambda: call.services.tags.get(call.caller, id_)):
        ids = contact_ids.read_contact_ids(await call.read_object())
    added, count = await call.services.tags.add_to_contacts(call.caller, id_, ids)
    return tags_wire.TaggedAnswer(tags_wire.Tagged(added, count))


@handles(
    Operation(
        "removeTagContact",
        "DELETE",
        f"{_TAG_PATH}/contacts/{{contact_id:str}}",
        _TAG,
        "Remove a tag from a contact",
        scope="contacts:write",
        response=wire.DeletedAnswer,
    )
)
async def remove_tag_contact(call: Call) -> wire.DeletedAnswer:
    path = call.path_parameters
    await call.services.tags.remove_from_contact(
        call.caller, parse_id(path["tag_id"]), parse_id(path["contact_id"])
    )
    return wire.DeletedAnswer(wire.Deleted(success=True))


ENDPOINTS: Final = (
    list_tags,
    create_tag,
    get_tag,
    update_tag,
    delete_tag,
    list_tag_contacts,
    add_tag_contacts,
    remove_tag_contact,
)
