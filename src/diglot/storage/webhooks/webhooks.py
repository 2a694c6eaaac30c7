"""Rows of webhooks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, delete, false, func, insert, or_, select, true, update

from diglot.model.webhooks import WaitingWebhook, Webhook, WebhookEventType
from diglot.storage.schema import deliveries, webhooks
from diglot.storage.sql.engine import Row, Transaction
from diglot.storage.sql.statement import Statement
from diglot.storage.sweeps import EVERYWHERE, Scope, SweepStatement
from diglot.storage.tenant import Tenant

_c = webhooks.c
_COLUMNS = (
    *(_c.webhook, _c.id, _c.dialect, _c.url, _c.events, _c.subscriptions, _c.secret, _c.active),
    *(_c.created_at, _c.updated_at),
)
_IN_WORKSPACE = _c.workspace == bindparam("workspace")
_AT_WEBHOOK = and_(_c.workspace == bindparam("in_workspace"), _c.webhook == bindparam("at_webhook"))
_BY_ID = Statement(
    select(*_COLUMNS).where(_IN_WORKSPACE, _c.id == bindparam("id"), _c.dialect == bindparam("dialect"))
)
_BY_NUMBER = Statement(select(*_COLUMNS).where(_IN_WORKSPACE, _c.webhook == bindparam("webhook")))
_OF_DIALECT = Statement(
    select(*_COLUMNS).where(_IN_WORKSPACE, _c.dialect == bindparam("dialect")).order_by(_c.webhook.desc())
)
_ACTIVE = Statement(select(*_COLUMNS).where(_IN_WORKSPACE, _c.active == true()).order_by(_c.webhook))
_COUNT = Statement(select(func.count()).select_from(webhooks).where(_IN_WORKSPACE))
_INSERT = Statement(insert(webhooks))
_UPDATED_COLUMNS = ("url", "events", "subscriptions", "secret", "active", "updated_at")
_UPDATE = Statement(
    update(webhooks).where(_AT_WEBHOOK).values({name: bindparam(f"new_{name}") for name in _UPDATED_COLUMNS})
)
_OF_WEBHOOK = (
    deliveries.c.workspace == bindparam("workspace"),
    deliveries.c.webhook == bindparam("webhook"),
)
_DELETES = (
    Statement(delete(deliveries).where(*_OF_WEBHOOK)),
    Statement(delete(webhooks).where(_IN_WORKSPACE, _c.webhook == bindparam("webhook"))),
)


def _first_due(workspace: ColumnElement[int], *restrictions: ColumnElement[bool]) -> ColumnElement[int]:
    """Return when the first waiting delivery is due.

    The index makes this one seek for each webhook, whatever its number of deliveries.
    """
    waiting = and_(
        deliveries.c.workspace == workspace,
        deliveries.c.webhook == _c.webhook,
        deliveries.c.due_at.is_not(None),
        *restrictions,
    )
    return select(func.min(deliveries.c.due_at)).where(waiting).scalar_subquery()


_WAITING = SweepStatement(
    lambda restrict: select(
        *(_c.workspace, _c.webhook, _c.leased_until),
        _first_due(_c.workspace, restrict(deliveries.c.workspace)),
    ),
    _c.workspace,
)
_WAITING_IN_WORKSPACE = Statement(
    select(_c.workspace, _c.webhook, _c.leased_until, _first_due(bindparam("workspace"))).where(_IN_WORKSPACE)
)
_LEASE = Statement(
    update(webhooks)
    .where(
        _AT_WEBHOOK,
        or_(
            _c.leased_until.is_(None),
            _c.leased_until <= bindparam("now"),
            _c.leased_until == bindparam("held"),
        ),
    )
    .values(leased_until=bindparam("until"))
    .returning(_c.webhook)
)
_RELEASE = Statement(
    update(webhooks)
    .where(_AT_WEBHOOK, _c.leased_until == bindparam("held"))
    .values(leased_until=bindparam("until"))
)
_DEACTIVATE = Statement(
    update(webhooks)
    .where(_AT_WEBHOOK, _c.active == true())
    .values(active=false(), updated_at=bindparam("now"))
    .returning(_c.webhook)
)


def _split_names(stored: str) -> tuple[str, ...]:
    return tuple(stored.split(",")) if stored else ()


def _webhook_of(row: Sequence[Any]) -> Webhook:
    number, id_, dialect, url, events, subscriptions, secret, active, *times = row
    subscribed = tuple(map(WebhookEventType, _split_names(subscriptions)))
    # SQLite has no boolean type.
    return Webhook(number, id_, dialect, url, _split_names(events), subscribed, secret, bool(active), *times)


def _values_of(webhook: Webhook) -> dict[str, Any]:
    return {
        "url": webhook.url,
        "events": ",".join(webhook.events),
        "subscriptions": ",".join(webhook.subscriptions),
        "secret": webhook.secret,
        "active": webhook.active,
        "updated_at": webhook.updated_at,
    }


async def find_by_id(tenant: Tenant, dialect: str, id_: str) -> Webhook | None:
    """Return a webhook of a dialect by its UUID, or None."""
    row = await tenant.fetch_one(_BY_ID, dialect=dialect, id=id_)
    return None if row is None else _webhook_of(row)


async def find_by_number(tenant: Tenant, number: int) -> Webhook | None:
    """Return a webhook by its dense number, or None."""
    row = await tenant.fetch_one(_BY_NUMBER, webhook=number)
    return None if row is None else _webhook_of(row)


async def list_of_dialect(tenant: Tenant, dialect: str) -> list[Webhook]:
    """Return the webhooks of a dialect, newest first."""
    rows = await tenant.fetch_all(_OF_DIALECT, dialect=dialect)
    return [_webhook_of(row) for row in rows]


async def list_active(tenant: Tenant) -> list[Webhook]:
    """Return the active webhooks of every dialect."""
    return [_webhook_of(row) for row in await tenant.fetch_all(_ACTIVE)]


async def count(tenant: Tenant) -> int:
    """Return the number of webhooks, active or not."""
    row = await tenant.fetch_one(_COUNT)
    assert row is not None
    return int(row[0])


async def insert_webhook(tenant: Tenant, webhook: Webhook) -> None:
    """Insert a webhook; the caller counts an active one in its write unit."""
    await tenant.execute(
        _INSERT,
        **_values_of(webhook),
        webhook=webhook.number,
        id=webhook.id,
        dialect=webhook.dialect,
        leased_until=None,
        created_at=webhook.created_at,
    )


async def update_webhook(tenant: Tenant, webhook: Webhook) -> None:
    """Update an existing webhook."""
    new = {f"new_{name}": value for name, value in _values_of(webhook).items()}
    await tenant.execute(_UPDATE, **new, at_webhook=webhook.number)


async def delete_webhook(tenant: Tenant, number: int) -> None:
    """Delete a webhook and its deliveries, including those not sent yet."""
    for statement in _DELETES:
        await tenant.execute(statement, webhook=number)


async def deactivate(tenant: Tenant, number: int, now: int) -> bool:
    """Deactivate a webhook; return whether it was active."""
    row = await tenant.fetch_one(_DEACTIVATE, at_webhook=number, now=now)
    return row is not None


async def list_waiting(transaction: Transaction, scope: Scope = EVERYWHERE) -> list[WaitingWebhook]:
    """Return the webhooks of many workspaces that have waiting deliveries."""
    return _waiting_of(await _WAITING.fetch_all(transaction, scope))


async def list_waiting_in_workspace(tenant: Tenant) -> list[WaitingWebhook]:
    """Return the webhooks of a workspace that have waiting deliveries."""
    return _waiting_of(await tenant.fetch_all(_WAITING_IN_WORKSPACE))


def _waiting_of(rows: Sequence[Row]) -> list[WaitingWebhook]:
    return [
        WaitingWebhook(workspace, webhook, max(due, closed or due))
        for workspace, webhook, closed, due in rows
        if due is not None
    ]


async def lease(tenant: Tenant, number: int, *, now: int, leased_until: int, until: int) -> bool:
    """Lease a webhook until an instant, so that no other process sends to it.

    `leased_until` is the end of the caller's present lease, or 0. Return False if another process holds a
    lease, if the webhook is paused after a failure, or if it was deleted.
    """
    row = await tenant.fetch_one(_LEASE, at_webhook=number, now=now, held=leased_until, until=until)
    return row is not None


async def release(tenant: Tenant, number: int, leased_until: int, until: int | None) -> None:
    """Release the caller's lease; no process sends before `until`, if it is given."""
    await tenant.execute(_RELEASE, at_webhook=number, held=leased_until, until=until)
