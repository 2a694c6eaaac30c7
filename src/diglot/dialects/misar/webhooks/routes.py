"""Webhook calls, as the vendor's clients send them and its pages list them."""

from typing import Final

from msgspec import UNSET

from diglot.api.call import Call
from diglot.api.endpoint import handles
from diglot.api.formatting import format_seconds
from diglot.api.input import webhooks
from diglot.api.input.body_reader import BodyReader
from diglot.api.operation import Operation
from diglot.dialects.misar import wire, words
from diglot.dialects.misar.webhooks import messages
from diglot.dialects.misar.webhooks import wire as hooks
from diglot.dialects.misar.webhooks.messages import EVENTS, SECRET_PREFIX
from diglot.errors import Forbidden
from diglot.model.ids import parse_id
from diglot.model.webhooks import Delivery, Webhook
from diglot.service.webhooks import NewWebhook, WebhookPatch, generate_secret

_TAG: Final = "webhooks"
_WEBHOOK_PATH: Final = "/webhooks/{webhook_id:str}"


def _read_webhook_id(call: Call) -> str | None:
    return parse_id(call.path_parameters["webhook_id"])


def _require_read_scope(call: Call) -> None:
    """Raise `Forbidden` for a key without permission to read, because a webhook receives contacts."""
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
        response=hooks.WebhookListAnswer,
    )
)
async def list_webhooks(call: Call) -> hooks.WebhookListAnswer:
    shown = [
        _to_wire(webhook)
        for webhook in await call.services.webhooks.list_all(call.caller, words.DIALECT_NAME)
    ]
    return hooks.WebhookListAnswer(success=True, data=shown, webhooks=shown)


@handles(
    Operation(
        "createWebhook",
        "POST",
        "/webhooks",
        _TAG,
        "Create a webhook; its secret is shown only in this response",
        scope="write",
        status=201,
        body=hooks.WebhookCreate,
        response=hooks.CreatedWebhookAnswer,
        returns_secret=True,
    )
)
async def create_webhook(call: Call) -> hooks.CreatedWebhookAnswer:
    _require_read_scope(call)
    reader = BodyReader(await call.read_object())
    body = reader.read(hooks.WebhookCreate, checks={"url": call.services.webhooks.find_url_fault})
    reader.raise_faults()
    events = tuple(body.events)
    new = NewWebhook(
        dialect=words.DIALECT_NAME,
        url=body.url,
        events=events,
        subscriptions=webhooks.select_subscriptions(EVENTS, events),
        secret=generate_secret(SECRET_PREFIX) if body.secret is UNSET else body.secret,
        active=body.is_active is not False,
    )
    created = await call.services.webhooks.create(call.caller, new)
    data = hooks.CreatedWebhook(
        created.id, created.url, list(created.events), created.secret, created.active, *_format_times(created)
    )
    return hooks.CreatedWebhookAnswer(success=True, data=data)


@handles(
    Operation(
        "getWebhook",
        "GET",
        _WEBHOOK_PATH,
        _TAG,
        "Get a webhook",
        scope="read",
        response=hooks.WebhookAnswer,
    )
)
async def get_webhook(call: Call) -> hooks.WebhookAnswer:
    webhook = await call.services.webhooks.get(call.caller, words.DIALECT_NAME, _read_webhook_id(call))
    return hooks.WebhookAnswer(success=True, data=_to_wire(webhook))


@handles(
    Operation(
        "updateWebhook",
        "PATCH",
        _WEBHOOK_PATH,
        _TAG,
        "Update a webhook",
        scope="write",
        body=hooks.WebhookPatch,
        response=hooks.WebhookAnswer,
    )
)
async def update_webhook(call: Call) -> hooks.WebhookAnswer:
    _require_read_scope(call)
    id_ = _read_webhook_id(call)
    async with call.not_found_first(lambda: call.services.webhooks.get(call.caller, words.DIALECT_NAME, id_)):
        reader = BodyReader(await call.read_object())
        body = reader.read(hooks.WebhookPatch, checks={"url": call.services.webhooks.find_url_fault})
        reader.raise_faults()
    changed = await call.services.webhooks.update(call.caller, words.DIALECT_NAME, id_, _to_patch(body))
    return hooks.WebhookAnswer(success=True, data=_to_wire(changed))


def _to_patch(body: hooks.WebhookPatch) -> WebhookPatch:
    events = None if body.events is UNSET else tuple(body.events)
    return WebhookPatch(
        url=None if body.url is UNSET else body.url,
        events=events,
        secret=None if body.secret is UNSET else body.secret,
        active=None if body.is_active is UNSET else body.is_active,
        subscriptions=None if events is None else webhooks.select_subscriptions(EVENTS, events),
    )


@handles(
    Operation(
        "deleteWebhook",
        "DELETE",
        _WEBHOOK_PATH,
        _TAG,
        "Delete a webhook and its pending deliveries",
        scope="write",
        response=wire.Success,
    )
)
async def delete_webhook(call: Call) -> wire.Success:
    await call.services.webhooks.delete(call.caller, words.DIALECT_NAME, _read_webhook_id(call))
    return wire.Success(success=True)


@handles(
    Operation(
        "testWebhook",
        "POST",
        f"{_WEBHOOK_PATH}/test",
        _TAG,
        "Send a test event, even to an inactive webhook; takes no body",
        scope="write",
        response=hooks.WebhookTestAnswer,
    )
)
async def test_webhook(call: Call) -> hooks.WebhookTestAnswer:
    sent = await call.services.webhooks.enqueue_test(call.caller, words.DIALECT_NAME, _read_webhook_id(call))
    return hooks.WebhookTestAnswer(success=True, data=_event_to_wire(sent))


@handles(
    Operation(
        "listWebhookEvents",
        "GET",
        f"{_WEBHOOK_PATH}/events",
        _TAG,
        "List the last 100 events of a webhook with their delivery status, newest first",
        scope="read",
        response=hooks.WebhookEventsAnswer,
    )
)
async def list_webhook_events(call: Call) -> hooks.WebhookEventsAnswer:
    deliveries = await call.services.webhooks.list_deliveries(
        call.caller, words.DIALECT_NAME, _read_webhook_id(call)
    )
    return hooks.WebhookEventsAnswer(success=True, data=[_event_to_wire(delivery) for delivery in deliveries])


def _format_times(webhook: Webhook) -> tuple[str, str]:
    return format_seconds(webhook.created_at) or "", format_seconds(webhook.updated_at) or ""


def _to_wire(webhook: Webhook) -> hooks.Webhook:
    return hooks.Webhook(
        webhook.id, webhook.url, list(webhook.events), webhook.active, *_format_times(webhook)
    )


def _event_to_wire(delivery: Delivery) -> hooks.WebhookEvent:
    ended = "failed" if delivery.delivered_at is None else "delivered"
    return hooks.WebhookEvent(
        id=messages.event_id(delivery),
        type=messages.event_type(delivery.event),
        status=ended if delivery.due_at is None else "pending",
        attempts=delivery.attempts,
        status_code=delivery.last_status,
        response_body=delivery.last_response,
        error=delivery.last_error,
        created_at=format_seconds(delivery.created_at) or "",
        delivered_at=format_seconds(delivery.delivered_at),
        next_attempt_at=format_seconds(delivery.due_at),
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
