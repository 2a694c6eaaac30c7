"""Rows of deliveries: the outbox with the result of each delivery."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import and_, bindparam, delete, insert, select, update

from diglot.model.webhooks import Delivery, WebhookEventType
from diglot.storage.schema import deliveries
from diglot.storage.sql.databases import pin_to_index
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.statement import Statement

_c = deliveries.c
_COLUMNS = (
    *(_c.delivery, _c.id, _c.webhook, _c.event, _c.payload, _c.attempts, _c.due_at, _c.delivered_at),
    *(_c.last_status, _c.last_error, _c.last_response, _c.created_at),
)
_OF_WEBHOOK = and_(_c.workspace == bindparam("workspace"), _c.webhook == bindparam("webhook"))
_AT_WEBHOOK = and_(_c.workspace == bindparam("in_workspace"), _c.webhook == bindparam("at_webhook"))
_IS_WAITING = _c.due_at.is_not(None)
_INSERT = Statement(insert(deliveries))
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
_PURGE = Statement(
    delete(deliveries).where(
        _c.workspace == bindparam("workspace"),
        _c.delivery < bindparam("below"),
        _c.created_at < bindparam("before"),
        _c.due_at.is_(None),
    )
)
NO_TIME_LIMIT: Final = 2**62
_PURGE_BATCH: Final = 5_000


def _delivery_of(row: Sequence[Any]) -> Delivery:
    number, id_, webhook, event, *columns = row
    return Delivery(number, id_, webhook, WebhookEventType(event), *columns)


async def insert_all(transaction: Transaction, workspace: int, new: Sequence[Delivery]) -> None:
    """Insert deliveries."""
    await transaction.execute_many(_INSERT, [_row_of(workspace, delivery) for delivery in new])


def _row_of(workspace: int, delivery: Delivery) -> dict[str, Any]:
    return {
        "workspace": workspace,
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


async def load_due(
    transaction: Transaction, workspace: int, webhook: int, now: int, limit: int
) -> list[Delivery]:
    """Return the first due deliveries to a webhook, in the order of their events."""
    values = {"workspace": workspace, "webhook": webhook, "now": now, "limit": limit}
    due = [_delivery_of(row) for row in await transaction.fetch_all(_DUE, values)]
    return sorted(due, key=lambda delivery: delivery.number)


async def load_last(transaction: Transaction, workspace: int, webhook: int, limit: int) -> list[Delivery]:
    """Return the last deliveries to a webhook, newest first."""
    values = {"workspace": workspace, "webhook": webhook, "limit": limit}
    return [_delivery_of(row) for row in await transaction.fetch_all(_LAST, values)]


async def record_attempt(transaction: Transaction, workspace: int, delivery: Delivery) -> None:
    """Record the result of an attempt; a delivery that was cancelled or deleted meanwhile is unchanged."""
    new = {f"new_{name}": getattr(delivery, name) for name in _RESULT_COLUMNS}
    await transaction.execute(
        _RECORD_ATTEMPT, new | {"in_workspace": workspace, "at_delivery": delivery.number}
    )


async def cancel(
    transaction: Transaction, workspace: int, webhook: int, reason: str, created_until: int = NO_TIME_LIMIT
) -> None:
    """Cancel the waiting deliveries of a webhook that were created by an instant."""
    values = {"in_workspace": workspace, "at_webhook": webhook, "reason": reason, "made_by": created_until}
    await transaction.execute(_CANCEL, values)


async def purge(transaction: Transaction, workspace: int, before: int) -> bool:
    """Delete some finished deliveries created before an instant; return whether there may be more."""
    oldest = await transaction.fetch_one(_OLDEST, {"workspace": workspace})
    if oldest is None or oldest[1] >= before:
        return False
    below = oldest[0] + _PURGE_BATCH
    await transaction.execute(_PURGE, {"workspace": workspace, "below": below, "before": before})
    next_oldest = await transaction.fetch_one(_OLDEST, {"workspace": workspace})
    return next_oldest is not None and next_oldest[0] >= below
