"""Many contacts at once: changed alike, deleted, imported."""

from functools import partial
from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.input.headers import header
from diglot.api.input.request_body import media_type
from diglot.api.operation import MEGABYTE, Operation
from diglot.dialects.misar.contacts import bulk_input, import_request
from diglot.dialects.misar.contacts import wire as contacts_wire

_TAG: Final = "contacts"
_BULK: Final = "/contacts/bulk"


@handles(
    Operation(
        "updateContacts",
        "PATCH",
        _BULK,
        _TAG,
        "Change up to 10,000 contacts alike, in one transaction",
        scope="write",
        body=contacts_wire.BulkUpdate,
        answer=contacts_wire.BulkUpdateAnswer,
    )
)
async def update_contacts(call: Call) -> contacts_wire.BulkUpdateAnswer:
    named, change = bulk_input.read_named_update(await call.members(), call.caller.zone)
    found = await call.services.contacts.update_many(call.caller, named.known, change)
    return contacts_wire.BulkUpdateAnswer(success=True, updated=len(found), not_found=named.missing(found))


@handles(
    Operation(
        "deleteContacts",
        "DELETE",
        _BULK,
        _TAG,
        "Delete up to 10,000 contacts, in one transaction",
        scope="write",
        body=contacts_wire.BulkDelete,
        answer=contacts_wire.BulkDeleteAnswer,
    )
)
async def delete_contacts(call: Call) -> contacts_wire.BulkDeleteAnswer:
    named = bulk_input.read_named(await call.members())
    found = await call.services.contacts.delete_many(call.caller, named.known)
    return contacts_wire.BulkDeleteAnswer(success=True, deleted=len(found), not_found=named.missing(found))


@handles(
    Operation(
        "importContacts",
        "POST",
        "/contacts/import",
        _TAG,
        "Create or change up to 10,000 contacts by email, in one transaction",
        scope="write",
        query=contacts_wire.ImportQuery,
        body=contacts_wire.ImportBody,
        other_bodies={import_request.CSV: str, import_request.FORM: contacts_wire.ImportForm},
        answer=contacts_wire.ImportAnswer,
        most_bytes=32 * MEGABYTE,
    )
)
async def import_contacts(call: Call) -> contacts_wire.ImportAnswer:
    body = await call.body()
    content_type = header(call.request, b"content-type") or ""
    sent = import_request.Sent(body, media_type(call.request), content_type, call.query)
    # A full import takes a second to check: not on the thread that answers everybody else.
    request = await call.aside(partial(import_request.read_import, sent, call.caller.zone))
    done = await call.services.contacts.import_all(
        call.caller, request.changes, update_existing=request.update_existing
    )
    errors = [*request.errors, *done.refusals]
    counts = (done.created, done.updated, done.skipped, len(errors))
    return contacts_wire.ImportAnswer(True, contacts_wire.ImportSummary(*counts), errors, *counts)


ENDPOINTS: Final = (update_contacts, delete_contacts, import_contacts)
