"""Rows of deliveries: the outbox with the result of each delivery."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, select, update

from diglot.model.webhooks import Delivery, WebhookEventType
from diglot.storage import bulk
from diglot.storage.schema import deliveries
from diglot.storage.sql.databases import pin_to_index
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant

_c = deliveries.c
_COLUMNS = (
    *(_c.delivery, _c.id, _c.webhook, _c.event, _c.payload, _c.attempts, _c.due_at, _c.delivered_at),
    *(_c.last_status, _c.last_error, _c.last_response, _c.created_at),
)
_OF_WEBHOOK = and_(_c.workspace == bindparam("workspace"), _c.webhook == bindparam("webhook"))
_AT_WEBHOOK = and_(_c.workspace == bindparam("in_workspace"), _c.webhook == bindparam("at_webhook"))
_IS_WAITING = _c.due_at.is_not(None)
_INSERT = bulk.build_insert(deliveries)
_DUE = Statement(
    select(*_COLUMNS)
    .where(_OF_WEBHOOK, _IS_WAITING, _c.due_at <= bindparam("now"))
    .order_by(_c.due_at, _c.delivery)
    .limit(bindparam("limit"))
)
# Without the hint SQLite reads all deliveries of the workspace, even for a webhook with few.
_LAST = Statement(
    pin_to_index(select(*_COLUMNS), deliveries, "deliveries_of_webhook")
    .where(_OF_WEBHOOK)
    .order_by(_c.delivery.desc())
    .limit(bindparam("limit"))
)
_RESULT_COLUMNS = ("attempts", "due_at", "delivered_at", "last_status", "last_error", "last_response")
_RECORD_ATTEMPT = Statement(
    update(deliveries)
    .where(_c.workspace == bindparam("in_workspace"), _c.delivery == bindparam("at_delivery"), _IS_WAITING)
    .values({name: bindparam(f"new_{name}") for name in _RESULT_COLUMNS})
)
_CANCEL = Statement(
    update(deliveries)
    .where(_AT_WEBHOOK, _IS_WAITING, _c.created_at <= bindparam("made_by"))
    .values(due_at=None, last_error=bindparam("reason"))
)
_OLDEST = Statement(
    select(_c.delivery, _c.created_at)
    .where(_c.workspace == bindparam("workspace"))
    .order_by(_c.delivery)
    .limit(1)
)
_HAS_ENDED = and_(
    _c.workspace == bindparam("workspace"),
    _c.delivery < bindparam("below"),
    _c.created_at < bindparam("before"),
    _c.due_at.is_(None),
)
_FIRST_ENDED = Statement(select(_c.delivery).where(_HAS_ENDED).limit(1))
_PURGE = Statement(delete(deliveries).where(_HAS_ENDED))
NO_TIME_LIMIT: Final = 2**62
# How long finished deliveries are kept, in microseconds.
RETENTION_PERIOD: Final = 30 * 86_400_000_000
_PURGE_BATCH: Final = 5_000


def _delivery_of(row: Sequence[Any]) -> Delivery:
    number, id_, webhook, event, *columns = row
    return Delivery(number, id_, webhook, WebhookEventType(event), *columns)


async def insert_all(tenant: Tenant, new: Sequence[Delivery]) -> None:
    """Insert deliveries."""
    await _INSERT.execute(tenant, [_row_of(delivery) for delivery in new])


def _row_of(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery": delivery.number,
        "id": delivery.id,
        "webhook": delivery.webhook,
        "event": delivery.event.value,
        "payload": delivery.payload,
        "attempts": delivery.attempts,
        "due_at": delivery.due_at,
        "delivered_at": delivery.delivered_at,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "last_response": delivery.last_response,
        "created_at": delivery.created_at,
    }


async def load_due(tenant: Tenant, webhook: int, now: int, limit: int) -> list[Delivery]:
    """Return the first due deliveries to a webhook, in the order of their events."""
    due = [_delivery_of(row) for row in await tenant.fetch_all(_DUE, webhook=webhook, now=now, limit=limit)]
    return sorted(due, key=lambda delivery: delivery.number)


async def load_last(tenant: Tenant, webhook: int, limit: int) -> list[Delivery]:
    """Return the last deliveries to a webhook, newest first."""
    return [_delivery_of(row) for row in await tenant.fetch_all(_LAST, webhook=webhook, limit=limit)]


async def record_attempt(tenant: Tenant, delivery: Delivery) -> None:
    """Record the result of an attempt; a delivery that was cancelled or deleted meanwhile is unchanged."""
    new = {f"new_{name}": getattr(delivery, name) for name in _RESULT_COLUMNS}
    await tenant.execute(_RECORD_ATTEMPT, **new, at_delivery=delivery.number)


async def cancel(tenant: Tenant, webhook: int, reason: str, created_until: int = NO_TIME_LIMIT) -> None:
    """Cancel the waiting deliveries of a webhook that were created by an instant."""
    await tenant.execute(_CANCEL, at_webhook=webhook, reason=reason, made_by=created_until)


async def has_ended(tenant: Tenant, before: int) -> bool:
    """Tell whether `purge` would delete any."""
    oldest = await tenant.fetch_one(_OLDEST)
    if oldest is None or oldest[1] >= before:
        return False
    return await tenant.fetch_one(_FIRST_ENDED, below=oldest[0] + _PURGE_BATCH, before=before) is not None


async def purge(tenant: Tenant, before: int) -> None:
    """Delete some finished deliveries created before an instant."""
    oldest = await tenant.fetch_one(_OLDEST)
    if oldest is not None:
        await tenant.execute(_PURGE, below=oldest[0] + _PURGE_BATCH, before=before)
