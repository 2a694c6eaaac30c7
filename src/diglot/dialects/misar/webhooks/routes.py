"""Webhooks, as the vendor's clients call them and its pages list them."""

from dataclasses import replace
from typing import Final

from diglot.api import webhook_message
from diglot.api.body_reader import Missing, Reader
from diglot.api.dialect import Call
from diglot.api.formatting import in_seconds
from diglot.api.operation import Operation
from diglot.dialects.misar import wire
from diglot.dialects.misar.segments import show
from diglot.dialects.misar.webhooks import messages
from diglot.dialects.misar.webhooks import wire as hooks
from diglot.dialects.misar.webhooks.messages import EVENTS
from diglot.errors import Forbidden
from diglot.model.ids import read_id
from diglot.model.webhooks import Delivery, Webhook
from diglot.service.webhooks import NewWebhook, WebhookChange, new_secret

_TAG: Final = "webhooks"
_ONE: Final = "/webhooks/{webhook_id:str}"
_WORDS: Final = tuple(EVENTS)
_MARK: Final = "whsec_"


def _id(call: Call) -> str | None:
    return read_id(call.path["webhook_id"])


def _require_reading(call: Call) -> None:
    """Raise `Forbidden` for a key that may only write: what a webhook gets is contacts."""
    if call.caller.scopes.isdisjoint({"contacts", "read"}):
        raise Forbidden("read")


@Operation(
    "listWebhooks",
    "GET",
    "/webhooks",
    _TAG,
    "List webhooks, newest first",
    scope="read",
    answer=hooks.WebhookListAnswer,
).handled_by
async def list_webhooks(call: Call) -> hooks.WebhookListAnswer:
    shown = [_shown(one) for one in await call.services.webhooks.every(call.caller, show.NAME)]
    return hooks.WebhookListAnswer(success=True, data=shown, webhooks=shown)


@Operation(
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
).handled_by
async def create_webhook(call: Call) -> hooks.CreatedWebhookAnswer:
    _require_reading(call)
    reader = Reader(await call.members())
    reader.required("url", "events")
    change = _read(call, reader)
    reader.finish()
    assert change.url is not None
    assert change.events is not None
    new = NewWebhook(
        dialect=show.NAME,
        url=change.url,
        events=change.events,
        hears=webhook_message.heard(EVENTS, change.events),
        secret=change.secret or new_secret(_MARK),
        active=change.active is not False,
    )
    made = await call.services.webhooks.create(call.caller, new)
    data = hooks.CreatedWebhook(made.id, made.url, list(made.events), made.secret, made.active, *_times(made))
    return hooks.CreatedWebhookAnswer(success=True, data=data)


def _read(call: Call, reader: Reader) -> WebhookChange:
    """Read what a body says of a webhook; `active` is what one client calls `is_active`."""
    found = {
        "url": webhook_message.url(reader, "url", call.services.webhooks),
        "events": reader.choices("events", _WORDS),
        "secret": webhook_message.secret(reader),
        "active": reader.boolean(reader.spelled("is_active", "active")),
    }
    given = {name: value for name, value in found.items() if not isinstance(value, Missing)}
    return WebhookChange(**given)  # type: ignore[arg-type]


@Operation(
    "getWebhook",
    "GET",
    _ONE,
    _TAG,
    "Get a webhook",
    scope="read",
    answer=hooks.WebhookAnswer,
).handled_by
async def get_webhook(call: Call) -> hooks.WebhookAnswer:
    found = await call.services.webhooks.get(call.caller, show.NAME, _id(call))
    return hooks.WebhookAnswer(success=True, data=_shown(found))


@Operation(
    "updateWebhook",
    "PATCH",
    _ONE,
    _TAG,
    "Change a webhook",
    scope="write",
    body=hooks.WebhookPatch,
    answer=hooks.WebhookAnswer,
).handled_by
async def update_webhook(call: Call) -> hooks.WebhookAnswer:
    _require_reading(call)
    id_ = _id(call)
    async with call.or_missing(lambda: call.services.webhooks.get(call.caller, show.NAME, id_)):
        reader = Reader(await call.members())
        change = _read(call, reader)
        reader.finish()
    if change.events is not None:
        change = replace(change, hears=webhook_message.heard(EVENTS, change.events))
    changed = await call.services.webhooks.change(call.caller, show.NAME, id_, change)
    return hooks.WebhookAnswer(success=True, data=_shown(changed))


@Operation(
    "deleteWebhook",
    "DELETE",
    _ONE,
    _TAG,
    "Delete a webhook and what is on its way to it",
    scope="write",
    answer=wire.Success,
).handled_by
async def delete_webhook(call: Call) -> wire.Success:
    await call.services.webhooks.delete(call.caller, show.NAME, _id(call))
    return wire.Success(success=True)


@Operation(
    "testWebhook",
    "POST",
    f"{_ONE}/test",
    _TAG,
    "Send a test event, active or not; takes no body",
    scope="write",
    answer=hooks.WebhookTestAnswer,
).handled_by
async def test_webhook(call: Call) -> hooks.WebhookTestAnswer:
    sent = await call.services.webhooks.test(call.caller, show.NAME, _id(call))
    return hooks.WebhookTestAnswer(success=True, data=_event(sent))


@Operation(
    "listWebhookEvents",
    "GET",
    f"{_ONE}/events",
    _TAG,
    "List the last 100 events of a webhook, newest first, and how they were received",
    scope="read",
    answer=hooks.WebhookEventsAnswer,
).handled_by
async def list_webhook_events(call: Call) -> hooks.WebhookEventsAnswer:
    found = await call.services.webhooks.deliveries(call.caller, show.NAME, _id(call))
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
