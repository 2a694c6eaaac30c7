"""Webhook calls of the vendor's Webhooks page; the list call is an extension."""

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
from diglot.errors import Forbidden
from diglot.model.ids import parse_id
from diglot.model.webhooks import Webhook
from diglot.service.webhooks import NewWebhook, generate_secret

_TAG: Final = "webhooks"
_TRIGGERS_PATH: Final = "/webhooks/triggers"
_READ_SCOPE: Final = "contacts:read"
# The data of an event besides the contact, by the first part of its name; receivers need that read scope.
_SCOPE_BY_EVENT: Final = {"conversion": "conversions:read", "list": "lists:read"}


@handles(
    Operation(
        "listTriggers",
        "GET",
        _TRIGGERS_PATH,
        _TAG,
        "List active webhooks, newest first (an extension)",
        scope=_READ_SCOPE,
        query=wire.WindowQuery,
        response=hooks.TriggerListAnswer,
        extension=True,
    )
)
async def list_triggers(call: Call) -> hooks.TriggerListAnswer:
    window = pagination.to_window(call.read_query(wire.WindowQuery))
    active = [
        webhook
        for webhook in await call.services.webhooks.list_all(call.caller, words.DIALECT_NAME)
        if webhook.active
    ]
    shown = [_to_wire(webhook) for webhook in active[window.offset : window.offset + window.limit]]
    return hooks.TriggerListAnswer(shown, pagination.to_pagination(window, len(active)))


@handles(
    Operation(
        "createTrigger",
        "POST",
        _TRIGGERS_PATH,
        _TAG,
        "Create a webhook for one type of event",
        scope="contacts:write",
        status=201,
        body=hooks.TriggerCreate,
        response=hooks.CreatedTriggerAnswer,
        returns_secret=True,
    )
)
async def create_trigger(call: Call) -> hooks.CreatedTriggerAnswer:
    if _READ_SCOPE not in call.caller.scopes:
        raise Forbidden(_READ_SCOPE)  # a webhook receives contacts
    reader = BodyReader(await call.read_object())
    body = reader.read(hooks.TriggerCreate, checks={"targetUrl": call.services.webhooks.find_url_fault})
    reader.raise_faults()
    event = body.event
    if (scope := _SCOPE_BY_EVENT.get(event.partition(".")[0], _READ_SCOPE)) not in call.caller.scopes:
        raise Forbidden(scope)
    new = NewWebhook(
        dialect=words.DIALECT_NAME,
        url=body.targetUrl,
        events=(event,),
        subscriptions=webhooks.select_subscriptions(EVENTS, (event,)),
        secret=generate_secret() if body.secret is UNSET else body.secret,
    )
    webhook = await call.services.webhooks.create(call.caller, new)
    trigger = _to_wire(webhook)
    data = hooks.CreatedTrigger(
        trigger.id, trigger.event, trigger.targetUrl, trigger.createdAt, webhook.secret
    )
    return hooks.CreatedTriggerAnswer(data)


@handles(
    Operation(
        "deleteTrigger",
        "DELETE",
        _TRIGGERS_PATH,
        _TAG,
        "Delete a webhook and its pending deliveries",
        scope="contacts:write",
        query=hooks.TriggerIdQuery,
        response=wire.DeletedAnswer,
    )
)
async def delete_trigger(call: Call) -> wire.DeletedAnswer:
    id_ = parse_id(call.read_query(hooks.TriggerIdQuery).id)
    await call.services.webhooks.delete(call.caller, words.DIALECT_NAME, id_)
    return wire.DeletedAnswer(wire.Deleted(success=True))


def _to_wire(webhook: Webhook) -> hooks.Trigger:
    return hooks.Trigger(
        webhook.id, webhook.events[0], webhook.url, format_milliseconds(webhook.created_at) or ""
    )


ENDPOINTS: Final = (list_triggers, create_trigger, delete_trigger)
