"""Webhooks, as on the vendor's Webhooks page; listing them is an extension."""

from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import in_milliseconds
from diglot.api.input import webhooks
from diglot.api.input.body_reader import Reader
from diglot.api.operation import Operation
from diglot.dialects.topmail import pagination, wire, words
from diglot.dialects.topmail.webhooks import wire as hooks
from diglot.dialects.topmail.webhooks.messages import EVENTS
from diglot.errors import Forbidden, Invalid
from diglot.model.ids import parse_id
from diglot.model.webhooks import Webhook
from diglot.service.webhooks import NewWebhook, generate_secret

_TAG: Final = "webhooks"
_TRIGGERS: Final = "/webhooks/triggers"
_WORDS: Final = tuple(EVENTS)
_READ: Final = "contacts:read"
# What an event tells beside the contact, by the first part of its word: whoever hears of it reads that.
_TELLS: Final = {"conversion": "conversions:read", "list": "lists:read"}


@handles(
    Operation(
        "listTriggers",
        "GET",
        _TRIGGERS,
        _TAG,
        "List active registrations for events, newest first (an extension)",
        scope=_READ,
        query=wire.WindowQuery,
        answer=hooks.TriggerListAnswer,
        extension=True,
    )
)
async def list_triggers(call: Call) -> hooks.TriggerListAnswer:
    window = pagination.read(call.query)
    found = [one for one in await call.services.webhooks.list_all(call.caller, words.NAME) if one.active]
    shown = [_shown(one) for one in found[window.offset : window.offset + window.limit]]
    return hooks.TriggerListAnswer(shown, pagination.shown(window, len(found)))


@handles(
    Operation(
        "createTrigger",
        "POST",
        _TRIGGERS,
        _TAG,
        "Register an address for one sort of event",
        scope="contacts:write",
        status=201,
        body=hooks.TriggerCreate,
        answer=hooks.CreatedTriggerAnswer,
        secret=True,
    )
)
async def create_trigger(call: Call) -> hooks.CreatedTriggerAnswer:
    if _READ not in call.caller.scopes:
        raise Forbidden(_READ)  # what it gets is contacts
    reader = Reader(await call.members())
    reader.required("targetUrl", "event")
    url = webhooks.url(reader, "targetUrl", call.services.webhooks)
    event = reader.choice("event", _WORDS)
    secret = webhooks.secret(reader)
    reader.finish()
    assert isinstance(url, str)
    assert isinstance(event, str)
    if (told := _TELLS.get(event.partition(".")[0], _READ)) not in call.caller.scopes:
        raise Forbidden(told)
    new = NewWebhook(
        dialect=words.NAME,
        url=url,
        events=(event,),
        subscriptions=webhooks.heard(EVENTS, (event,)),
        secret=secret if isinstance(secret, str) else generate_secret(),
    )
    made = await call.services.webhooks.create(call.caller, new)
    one = _shown(made)
    data = hooks.CreatedTrigger(one.id, one.event, one.targetUrl, one.createdAt, made.secret)
    return hooks.CreatedTriggerAnswer(data)


@handles(
    Operation(
        "deleteTrigger",
        "DELETE",
        _TRIGGERS,
        _TAG,
        "Remove a registration and what is on its way to it",
        scope="contacts:write",
        query=hooks.TriggerIdQuery,
        answer=wire.DeletedAnswer,
    )
)
async def delete_trigger(call: Call) -> wire.DeletedAnswer:
    written = call.query.get("id")
    if written is None:
        raise Invalid.at(("id",), "Required")
    await call.services.webhooks.delete(call.caller, words.NAME, parse_id(written))
    return wire.DeletedAnswer(wire.Deleted(success=True))


def _shown(one: Webhook) -> hooks.Trigger:
    return hooks.Trigger(one.id, one.events[0], one.url, in_milliseconds(one.created_at) or "")


ENDPOINTS: Final = (list_triggers, create_trigger, delete_trigger)
