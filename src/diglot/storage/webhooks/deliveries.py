"""Rows of deliveries: the outbox, and what became of what was in it."""

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
# SQLite would read all deliveries of the workspace for the few of a quiet webhook.
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
    number, id_, webhook, event, *rest = row
    return Delivery(number, id_, webhook, WebhookEventType(event), *rest)


async def insert_all(transaction: Transaction, workspace: int, new: Sequence[Delivery]) -> None:
    """Insert deliveries."""
    await transaction.execute_many(_INSERT, [_row_of(workspace, one) for one in new])


def _row_of(workspace: int, one: Delivery) -> dict[str, Any]:
    return {
        "workspace": workspace,
        "delivery": one.number,
        "id": one.id,
        "webhook": one.webhook,
        "event": one.event.value,
        "payload": one.payload,
        "attempts": one.attempts,
        "due_at": one.due_at,
        "delivered_at": one.delivered_at,
        "last_status": one.last_status,
        "last_error": one.last_error,
        "last_response": one.last_response,
        "created_at": one.created_at,
    }


async def load_due(
    transaction: Transaction, workspace: int, webhook: int, now: int, limit: int
) -> list[Delivery]:
    """Return the first deliveries to a webhook that are due, in the order in which things happened."""
    values = {"workspace": workspace, "webhook": webhook, "now": now, "limit": limit}
    found = [_delivery_of(row) for row in await transaction.fetch_all(_DUE, values)]
    return sorted(found, key=lambda one: one.number)


async def load_last(transaction: Transaction, workspace: int, webhook: int, limit: int) -> list[Delivery]:
    """Return the last deliveries to a webhook, newest first."""
    values = {"workspace": workspace, "webhook": webhook, "limit": limit}
    return [_delivery_of(row) for row in await transaction.fetch_all(_LAST, values)]


async def record_attempt(transaction: Transaction, workspace: int, one: Delivery) -> None:
    """Write how an attempt went; a delivery that was cancelled or deleted meanwhile stays so."""
    new = {f"new_{name}": getattr(one, name) for name in _RESULT_COLUMNS}
    await transaction.execute(_RECORD_ATTEMPT, new | {"in_workspace": workspace, "at_delivery": one.number})


async def cancel(
    transaction: Transaction, workspace: int, webhook: int, reason: str, created_until: int = NO_TIME_LIMIT
) -> None:
    """Give up what waits for a webhook and was made by some time."""
    values = {"in_workspace": workspace, "at_webhook": webhook, "reason": reason, "made_by": created_until}
    await transaction.execute(_CANCEL, values)


async def purge(transaction: Transaction, workspace: int, before: int) -> bool:
    """Delete some finished deliveries made before some time; return whether there may be more."""
    oldest = await transaction.fetch_one(_OLDEST, {"workspace": workspace})
    if oldest is None or oldest[1] >= before:
        return False
    below = oldest[0] + _PURGE_BATCH
    await transaction.execute(_PURGE, {"workspace": workspace, "below": below, "before": before})
    again = await transaction.fetch_one(_OLDEST, {"workspace": workspace})
    return again is not None and again[0] >= below
