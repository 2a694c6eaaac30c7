"""Bulk calls on contacts: update, delete, import."""

from functools import partial
from typing import Final

from msgspec import UNSET

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.imports.warnings.codes import show_warnings
from diglot.api.input.request import find_header
from diglot.api.input.request_body import media_type, parse_object
from diglot.api.operation import MEBIBYTE, Operation
from diglot.computations import forget
from diglot.dialects.misar.contacts import bulk_input, bulk_wire, import_request

_TAG: Final = "contacts"
_BULK_PATH: Final = "/contacts/bulk"


@handles(
    Operation(
        "updateContacts",
        "PATCH",
        _BULK_PATH,
        _TAG,
        "Apply the same update to up to 10,000 contacts, in parts",
        scope="write",
        in_parts=True,
        body=bulk_wire.BulkUpdate,
        response=bulk_wire.BulkUpdateAnswer,
    )
)
async def update_contacts(call: Call) -> bulk_wire.BulkUpdateAnswer:
    body = await call.read_body()
    named, change = await call.run_in_thread(
        lambda: bulk_input.read_bulk_update(parse_object(body), call.local_time), len(body)
    )
    contacts = call.services.contacts
    existing, updated = await contacts.update_many(call.caller, named.known_ids, change, call.checkpoint)
    return bulk_wire.BulkUpdateAnswer(success=True, updated=updated, not_found=named.missing_ids(existing))


@handles(
    Operation(
        "deleteContacts",
        "DELETE",
        _BULK_PATH,
        _TAG,
        "Delete up to 10,000 contacts, in parts",
        scope="write",
        in_parts=True,
        body=bulk_wire.BulkDelete,
        response=bulk_wire.BulkDeleteAnswer,
    )
)
async def delete_contacts(call: Call) -> bulk_wire.BulkDeleteAnswer:
    body = await call.read_body()
    named = await call.run_in_thread(lambda: bulk_input.read_contact_ids(parse_object(body)), len(body))
    deleted = await call.services.contacts.delete_many(call.caller, named.known_ids, call.checkpoint)
    return bulk_wire.BulkDeleteAnswer(
        success=True, deleted=len(deleted), not_found=named.missing_ids(deleted)
    )


@handles(
    Operation(
        "importContacts",
        "POST",
        "/contacts/import",
        _TAG,
        "Create or update up to 10,000 contacts by email, in parts",
        scope="write",
        in_parts=True,
        query=bulk_wire.ImportQuery,
        body=bulk_wire.ImportBody,
        other_bodies={
            import_request.CSV_MEDIA_TYPE: str,
            import_request.FORM_MEDIA_TYPE: bulk_wire.ImportForm,
        },
        response=bulk_wire.ImportAnswer,
        max_bytes=32 * MEBIBYTE,
    )
)
async def import_contacts(call: Call) -> bulk_wire.ImportAnswer:
    body = await call.read_body()
    content_type = find_header(call.request, b"content-type") or ""
    sent = import_request.RawImport(body, media_type(call.request), content_type, call.open_query())
    # Checking a full import takes a second, so it runs outside the event loop's thread.
    request = await call.run_in_thread(partial(import_request.read_import, sent, call.local_time))
    done = await call.services.contacts.import_all(
        call.caller,
        request.changes,
        update_existing=request.update_existing,
        checkpoint=call.checkpoint,
    )
    await forget(request.changes)
    errors = [*request.errors, *done.refusals]
    counts = (done.created, done.updated, done.skipped, len(errors))
    call.note_rows(*counts)
    warnings = UNSET if call.services.strict else show_warnings(request.warnings)
    summary = bulk_wire.ImportSummary(*counts)
    return bulk_wire.ImportAnswer(True, summary, errors, *counts, request.custom_columns, warnings)


ENDPOINTS: Final = (update_contacts, delete_contacts, import_contacts)
