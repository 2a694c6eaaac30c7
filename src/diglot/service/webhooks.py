"""Webhooks: register, change, try out, and see what was sent."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from diglot.clock import Clock, system_clock
from diglot.errors import Fault, Invalid, NotFound
from diglot.model.ids import new_id
from diglot.model.webhooks import Delivery, DomainEvent, EventPayload, Webhook, WebhookEventType
from diglot.model.workspaces import Caller
from diglot.storage import workspaces
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.webhooks import deliveries, webhooks
from diglot.webhooks import outbox
from diglot.webhooks.allowed_targets import PUBLIC_ONLY, AllowedTargets, find_url_fault

MAX_WEBHOOKS: Final = 100
MAX_LISTED_DELIVERIES: Final = 100


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook to make: `events` in the dialect's words, `hears` in ours."""

    dialect: str
    url: str
    events: tuple[str, ...]
    subscriptions: tuple[WebhookEventType, ...]
    secret: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class WebhookPatch:
    """The parts of a webhook to change; what is None stays."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    subscriptions: tuple[WebhookEventType, ...] | None = None
    secret: str | None = None
    active: bool | None = None


def generate_secret(prefix: str = "") -> str:
    """Return a fresh signing secret: 256 random bits in hexadecimal."""
    return prefix + secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The use cases of webhooks. A dialect sees its own only: what they get is in its words."""

    engine: Engine
    clock: Clock = system_clock
    allowed_targets: AllowedTargets = PUBLIC_ONLY

    def find_url_fault(self, url: str) -> str | None:
        """Return what is wrong with a URL to deliver to, or None."""
        return find_url_fault(url, self.allowed_targets)

    async def list_all(self, caller: Caller, dialect: str) -> Sequence[Webhook]:
        """Return the webhooks, newest first."""
        return await self.engine.read(lambda tx: webhooks.list_of_dialect(tx, caller.workspace, dialect))

    async def get(self, caller: Caller, dialect: str, id_: str | None) -> Webhook:
        """Return a webhook by its id; raise `NotFound`."""
        return await self.engine.point_read(lambda tx: _require_webhook(tx, caller, dialect, id_))

    async def create(self, caller: Caller, new: NewWebhook) -> Webhook:
        """Make a webhook; raise `Invalid` when there are too many."""

        async def work(transaction: Transaction) -> Webhook:
            now = self.clock()
            locked = await workspaces.lock(transaction, caller.workspace, webhooks=1, moves_members=False)
            if await webhooks.count(transaction, caller.workspace) >= MAX_WEBHOOKS:
                raise Invalid([Fault((), f"A workspace has at most {MAX_WEBHOOKS} webhooks")])
            made = Webhook(
                number=locked.first_webhook,
                id=new_id(),
                dialect=new.dialect,
                url=new.url,
                events=new.events,
                subscriptions=new.subscriptions,
                secret=new.secret,
                active=new.active,
                created_at=now,
                updated_at=now,
            )
            await webhooks.insert_webhook(transaction, caller.workspace, made)
            return made

        return await self.engine.write(work)

    async def update(self, caller: Caller, dialect: str, id_: str | None, change: WebhookPatch) -> Webhook:
        """Change a webhook; switched off, it loses what is on its way. Raise `NotFound`."""

        async def work(transaction: Transaction) -> Webhook:
            await workspaces.lock(transaction, caller.workspace, moves_members=False)
            stored = await _require_webhook(transaction, caller, dialect, id_)
            after = _apply_patch(stored, change, self.clock())
            if after is not stored:
                await webhooks.update_webhook(transaction, caller.workspace, stored, after)
            if stored.active and not after.active:
                reason = "the webhook was switched off"
                await deliveries.cancel(transaction, caller.workspace, stored.number, reason)
            return after

        return await self.engine.write(work)

    async def delete(self, caller: Caller, dialect: str, id_: str | None) -> None:
        """Delete a webhook and what is on its way to it; raise `NotFound`."""

        async def work(transaction: Transaction) -> None:
            await workspaces.lock(transaction, caller.workspace, moves_members=False)
            stored = await _require_webhook(transaction, caller, dialect, id_)
            await webhooks.delete_webhook(transaction, caller.workspace, stored)

        await self.engine.write(work)

    async def enqueue_test(self, caller: Caller, dialect: str, id_: str | None) -> Delivery:
        """Put a test event on its way to a webhook, active or not; raise `NotFound`."""

        async def work(transaction: Transaction) -> Delivery:
            await workspaces.lock(transaction, caller.workspace, moves_members=False)
            stored = await _require_webhook(transaction, caller, dialect, id_)
            tested = [(stored, DomainEvent(WebhookEventType.TESTED, EventPayload()))]
            (delivery,) = await outbox.insert_deliveries(transaction, caller.workspace, tested, self.clock())
            return delivery

        return await self.engine.write(work)

    async def list_deliveries(self, caller: Caller, dialect: str, id_: str | None) -> Sequence[Delivery]:
        """Return the last deliveries to a webhook, newest first; raise `NotFound`."""

        async def work(transaction: Transaction) -> Sequence[Delivery]:
            stored = await _require_webhook(transaction, caller, dialect, id_)
            return await deliveries.load_last(
                transaction, caller.workspace, stored.number, MAX_LISTED_DELIVERIES
            )

        return await self.engine.read(work)


async def _require_webhook(
    transaction: Transaction, caller: Caller, dialect: str, id_: str | None
) -> Webhook:
    found = None if id_ is None else await webhooks.find_by_id(transaction, caller.workspace, dialect, id_)
    if found is None:
        raise NotFound("webhook")
    return found


def _apply_patch(stored: Webhook, change: WebhookPatch, now: int) -> Webhook:
    given: dict[str, Any] = {
        name: value
        for name in WebhookPatch.__slots__
        if (value := getattr(change, name)) is not None and value != getattr(stored, name)
    }
    return replace(stored, **given, updated_at=now) if given else stored
