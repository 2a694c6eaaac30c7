"""Webhooks, as the vendor's clients call them and its pages list them."""

from dataclasses import replace
from typing import Final

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import in_seconds
from diglot.api.input import webhooks
from diglot.api.input.body_reader import Missing, Reader
from diglot.api.operation import Operation
from diglot.dialects.misar import wire, words
from diglot.dialects.misar.webhooks import messages
from diglot.dialects.misar.webhooks import wire as hooks
from diglot.dialects.misar.webhooks.messages import EVENTS
from diglot.errors import Forbidden
from diglot.model.ids import parse_id
from diglot.model.webhooks import Delivery, Webhook
from diglot.service.webhooks import NewWebhook, WebhookPatch, generate_secret

_TAG: Final = "webhooks"
_ONE: Final = "/webhooks/{webhook_id:str}"
_WORDS: Final = tuple(EVENTS)
_MARK: Final = "whsec_"


def _id(call: Call) -> str | None:
    return parse_id(call.path["webhook_id"])


def _require_reading(call: Call) -> None:
    """Raise `Forbidden` for a key that may only write: what a webhook gets is contacts."""
    if call.caller.scopes.isdisjoint({"contacts", "read"}):
        raise Forbidden("read")


@handles(
    Operation(
        "listWebhooks",
        "GET",
        "/webhooks",
        _TAG,
        "List webhooks, newest first",
        scope="read",
        answer=hooks.WebhookListAnswer,
    )
)
async def list_webhooks(call: Call) -> hooks.WebhookListAnswer:
    shown = [_shown(one) for one in await call.services.webhooks.list_all(call.caller, words.NAME)]
    return hooks.WebhookListAnswer(success=True, data=shown, webhooks=shown)


@handles(
    Operation(
        "createWebhook",
        "POST",
        "/webhooks",
        _TAG,
        "Register an address for events; its secret is shown this once",
        scope="write",
        status=201,
        body=hooks.WebhookCreate,
        answer=hooks.CreatedWebhookAnswer,
        secret=True,
    )
)
async def create_webhook(call: Call) -> hooks.CreatedWebhookAnswer:
    _require_reading(call)
    reader = Reader(await call.members())
    reader.required("url", "events")
    change = _read(call, reader)
    reader.finish()
    assert change.url is not None
    assert change.events is not None
    new = NewWebhook(
        dialect=words.NAME,
        url=change.url,
        events=change.events,
        subscriptions=webhooks.heard(EVENTS, change.events),
        secret=change.secret or generate_secret(_MARK),
        active=change.active is not False,
    )
    made = await call.services.webhooks.create(call.caller, new)
    data = hooks.CreatedWebhook(made.id, made.url, list(made.events), made.secret, made.active, *_times(made))
    return hooks.CreatedWebhookAnswer(success=True, data=data)


def _read(call: Call, reader: Reader) -> WebhookPatch:
    """Read what a body says of a webhook; `active` is what one client calls `is_active`."""
    found = {
        "url": webhooks.url(reader, "url", call.services.webhooks),
        "events": reader.choices("events", _WORDS),
        "secret": webhooks.secret(reader),
        "active": reader.boolean(reader.spelled("is_active", "active")),
    }
    given = {name: value for name, value in found.items() if not isinstance(value, Missing)}
    return WebhookPatch(**given)  # type: ignore[arg-type]


@handles(
    Operation(
        "getWebhook",
        "GET",
        _ONE,
        _TAG,
        "Get a webhook",
        scope="read",
        answer=hooks.WebhookAnswer,
    )
)
async def get_webhook(call: Call) -> hooks.WebhookAnswer:
    found = await call.services.webhooks.get(call.caller, words.NAME, _id(call))
    return hooks.WebhookAnswer(success=True, data=_shown(found))


@handles(
    Operation(
        "updateWebhook",
        "PATCH",
        _ONE,
        _TAG,
        "Change a webhook",
        scope="write",
        body=hooks.WebhookPatch,
        answer=hooks.WebhookAnswer,
    )
)
async def update_webhook(call: Call) -> hooks.WebhookAnswer:
    _require_reading(call)
    id_ = _id(call)
    async with call.or_missing(lambda: call.services.webhooks.get(call.caller, words.NAME, id_)):
        reader = Reader(await call.members())
        change = _read(call, reader)
        reader.finish()
    if change.events is not None:
        change = replace(change, subscriptions=webhooks.heard(EVENTS, change.events))
    changed = await call.services.webhooks.update(call.caller, words.NAME, id_, change)
    return hooks.WebhookAnswer(success=True, data=_shown(changed))


@handles(
    Operation(
        "deleteWebhook",
        "DELETE",
        _ONE,
        _TAG,
        "Delete a webhook and what is on its way to it",
        scope="write",
        answer=wire.Success,
    )
)
async def delete_webhook(call: Call) -> wire.Success:
    await call.services.webhooks.delete(call.caller, words.NAME, _id(call))
    return wire.Success(success=True)


@handles(
    Operation(
        "testWebhook",
        "POST",
        f"{_ONE}/test",
        _TAG,
        "Send a test event, active or not; takes no body",
        scope="write",
        answer=hooks.WebhookTestAnswer,
    )
)
async def test_webhook(call: Call) -> hooks.WebhookTestAnswer:
    sent = await call.services.webhooks.enqueue_test(call.caller, words.NAME, _id(call))
    return hooks.WebhookTestAnswer(success=True, data=_event(sent))


@handles(
    Operation(
        "listWebhookEvents",
        "GET",
        f"{_ONE}/events",
        _TAG,
        "List the last 100 events of a webhook, newest first, and how they were received",
        scope="read",
        answer=hooks.WebhookEventsAnswer,
    )
)
async def list_webhook_events(call: Call) -> hooks.WebhookEventsAnswer:
    found = await call.services.webhooks.list_deliveries(call.caller, words.NAME, _id(call))
    return hooks.WebhookEventsAnswer(success=True, data=[_event(one) for one in found])


def _times(one: Webhook) -> tuple[str, str]:
    return in_seconds(one.created_at) or "", in_seconds(one.updated_at) or ""


def _shown(one: Webhook) -> hooks.Webhook:
    return hooks.Webhook(one.id, one.url, list(one.events), one.active, *_times(one))


def _event(one: Delivery) -> hooks.WebhookEvent:
    ended = "failed" if one.delivered_at is None else "delivered"
    return hooks.WebhookEvent(
        id=messages.event_id(one),
        type=messages.event_type(one.event),
        status=ended if one.due_at is None else "pending",
        attempts=one.attempts,
        status_code=one.last_status,
        response_body=one.last_response,
        error=one.last_error,
        created_at=in_seconds(one.created_at) or "",
        delivered_at=in_seconds(one.delivered_at),
        next_attempt_at=in_seconds(one.due_at),
    )


ENDPOINTS: Final = (
    list_webhooks,
    create_webhook,
    get_webhook,
    update_webhook,
    delete_webhook,
    test_webhook,
    list_webhook_events,
)
