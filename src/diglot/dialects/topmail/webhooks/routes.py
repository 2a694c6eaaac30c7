"""Webhooks, as on the vendor's Webhooks page; listing them is an extension."""

from typing import Final

from msgspec import UNSET

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import format_milliseconds
from diglot.api.input import webhooks
from diglot.api.input.body_reader import BodyReader
from diglot.api.operation import Operation
from diglot.dialects.topmail import pagination, wire, words
from diglot.dialects.topmail.webhooks import wire as hooks
from diglot.dialects.topmail.webhooks.messages import EVENTS
from diglot.errors import Forbidden, InvalidInput
from diglot.model.ids import parse_id
from diglot.model.webhooks import Webhook
from diglot.service.webhooks import NewWebhook, generate_secret

_TAG: Final = "webhooks"
_TRIGGERS_PATH: Final = "/webhooks/triggers"
_READ_SCOPE: Final = "contacts:read"
# What an event tells beside the contact, by the first part of its word: whoever hears of it reads that.
_SCOPE_BY_EVENT: Final = {"conversion": "conversions:read", "list": "lists:read"}


@handles(
    Operation(
        "listTriggers",
        "GET",
        _TRIGGERS_PATH,
        _TAG,
        "List active registrations for events, newest first (an extension)",
        scope=_READ_SCOPE,
        query=wire.WindowQuery,
        response=hooks.TriggerListAnswer,
        extension=True,
    )
)
async def list_triggers(call: Call) -> hooks.TriggerListAnswer:
    window = pagination.read_window(call.query_parameters)
    found = [
        one for one in await call.services.webhooks.list_all(call.caller, words.DIALECT_NAME) if one.active
    ]
    shown = [_to_wire(one) for one in found[window.offset : window.offset + window.limit]]
    return hooks.TriggerListAnswer(shown, pagination.to_pagination(window, len(found)))


@handles(
    Operation(
        "createTrigger",
        "POST",
        _TRIGGERS_PATH,
        _TAG,
        "Register an address for one sort of event",
        scope="contacts:write",
        status=201,
        body=hooks.TriggerCreate,
        response=hooks.CreatedTriggerAnswer,
        returns_secret=True,
    )
)
async def create_trigger(call: Call) -> hooks.CreatedTriggerAnswer:
    if _READ_SCOPE not in call.caller.scopes:
        raise Forbidden(_READ_SCOPE)  # what it gets is contacts
    reader = BodyReader(await call.read_object())
    body = reader.read(hooks.TriggerCreate, checks={"targetUrl": call.services.webhooks.find_url_fault})
    reader.raise_faults()
    event = body.event
    if (told := _SCOPE_BY_EVENT.get(event.partition(".")[0], _READ_SCOPE)) not in call.caller.scopes:
        raise Forbidden(told)
    new = NewWebhook(
        dialect=words.DIALECT_NAME,
        url=body.targetUrl,
        events=(event,),
        subscriptions=webhooks.select_subscriptions(EVENTS, (event,)),
        secret=generate_secret() if body.secret is UNSET else body.secret,
    )
    made = await call.services.webhooks.create(call.caller, new)
    one = _to_wire(made)
    data = hooks.CreatedTrigger(one.id, one.event, one.targetUrl, one.createdAt, made.secret)
    return hooks.CreatedTriggerAnswer(data)


@handles(
    Operation(
        "deleteTrigger",
        "DELETE",
        _TRIGGERS_PATH,
        _TAG,
        "Remove a registration and what is on its way to it",
        scope="contacts:write",
        query=hooks.TriggerIdQuery,
        response=wire.DeletedAnswer,
    )
)
async def delete_trigger(call: Call) -> wire.DeletedAnswer:
    written = call.query_parameters.get("id")
    if written is None:
        raise InvalidInput.at(("id",), "Required")
    await call.services.webhooks.delete(call.caller, words.DIALECT_NAME, parse_id(written))
    return wire.DeletedAnswer(wire.Deleted(success=True))


def _to_wire(one: Webhook) -> hooks.Trigger:
    return hooks.Trigger(one.id, one.events[0], one.url, format_milliseconds(one.created_at) or "")


ENDPOINTS: Final = (list_triggers, create_trigger, delete_trigger)
