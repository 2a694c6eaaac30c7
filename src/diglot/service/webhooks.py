"""Webhooks: create, read, update, delete, send a test event, and list deliveries."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from diglot.clock import Clock, system_clock
from diglot.errors import NotFound
from diglot.model.ids import new_id
from diglot.model.webhooks import Delivery, DomainEvent, EventPayload, Webhook, WebhookEventType
from diglot.model.workspaces import DEFAULT_LIMITS, WorkspaceLimits
from diglot.service.limits import require_room
from diglot.service.unit_of_work import point_reads, reads, writes
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant
from diglot.storage.webhooks import deliveries, webhooks
from diglot.storage.write_unit import WriteUnit
from diglot.webhooks import outbox
from diglot.webhooks.allowed_targets import PUBLIC_ONLY, AllowedTargets, find_url_fault

MAX_LISTED_DELIVERIES: Final = 100


class NewWebhook(msgspec.Struct, frozen=True):
    """A webhook to create: `events` are the dialect's names, `subscriptions` the same events by our names."""

    dialect: str
    url: str
    events: tuple[str, ...]
    subscriptions: tuple[WebhookEventType, ...]
    secret: str
    active: bool = True


class WebhookPatch(msgspec.Struct, frozen=True):
    """The fields of a webhook to update; None leaves a field unchanged."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    subscriptions: tuple[WebhookEventType, ...] | None = None
    secret: str | None = None
    active: bool | None = None


def generate_secret(prefix: str = "") -> str:
    """Return a new signing secret: 256 random bits in hexadecimal digits."""
    return prefix + secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Webhooks:
    """The use cases of webhooks. A dialect sees only its own, because payloads are in its format."""

    engine: Engine
    clock: Clock = system_clock
    allowed_targets: AllowedTargets = PUBLIC_ONLY
    limits: WorkspaceLimits = DEFAULT_LIMITS

    def find_url_fault(self, url: str) -> str | None:
        """Return the fault of a webhook URL, or None."""
        return find_url_fault(url, self.allowed_targets)

    @reads
    async def list_all(self, tenant: Tenant, dialect: str) -> Sequence[Webhook]:
        """Return the webhooks, newest first."""
        return await webhooks.list_of_dialect(tenant, dialect)

    @point_reads
    async def get(self, tenant: Tenant, dialect: str, id_: str | None) -> Webhook:
        """Return a webhook by its id; raise `NotFound`."""
        return await _require_webhook(tenant, dialect, id_)

    @writes
    async def create(self, unit: WriteUnit, new: NewWebhook) -> Webhook:
        """Create a webhook; raise `LimitReached`."""
        require_room("webhooks", self.limits.webhooks, await webhooks.count(unit))
        webhook = Webhook(
            number=unit.take_keys("webhook"),
            id=new_id(),
            dialect=new.dialect,
            url=new.url,
            events=new.events,
            subscriptions=new.subscriptions,
            secret=new.secret,
            active=new.active,
            created_at=unit.now,
            updated_at=unit.now,
        )
        await webhooks.insert_webhook(unit, webhook)
        unit.count_webhooks(int(webhook.active))
        return webhook

    @writes
    async def update(self, unit: WriteUnit, dialect: str, id_: str | None, change: WebhookPatch) -> Webhook:
        """Update a webhook; raise `NotFound`. Deactivating it cancels its waiting deliveries."""
        stored = await _require_webhook(unit, dialect, id_)
        after = _apply_patch(stored, change, unit.now)
        if after is not stored:
            await webhooks.update_webhook(unit, after)
            unit.count_webhooks(int(after.active) - int(stored.active))
        if stored.active and not after.active:
            reason = "the webhook was switched off"
            await deliveries.cancel(unit, stored.number, reason)
        return after

    @writes
    async def delete(self, unit: WriteUnit, dialect: str, id_: str | None) -> None:
        """Delete a webhook and its deliveries; raise `NotFound`."""
        stored = await _require_webhook(unit, dialect, id_)
        await webhooks.delete_webhook(unit, stored.number)
        unit.count_webhooks(-int(stored.active))

    @writes
    async def enqueue_test(self, unit: WriteUnit, dialect: str, id_: str | None) -> Delivery:
        """Enqueue a test event for a webhook, active or not; raise `NotFound`."""
        stored = await _require_webhook(unit, dialect, id_)
        events = [(stored, DomainEvent(WebhookEventType.TESTED, EventPayload()))]
        (delivery,) = await outbox.insert_deliveries(unit, events)
        return delivery

    @reads
    async def list_deliveries(self, tenant: Tenant, dialect: str, id_: str | None) -> Sequence[Delivery]:
        """Return the last deliveries to a webhook, newest first; raise `NotFound`."""
        stored = await _require_webhook(tenant, dialect, id_)
        return await deliveries.load_last(tenant, stored.number, MAX_LISTED_DELIVERIES)


async def _require_webhook(tenant: Tenant, dialect: str, id_: str | None) -> Webhook:
    webhook = None if id_ is None else await webhooks.find_by_id(tenant, dialect, id_)
    if webhook is None:
        raise NotFound("webhook")
    return webhook


def _apply_patch(stored: Webhook, change: WebhookPatch, now: int) -> Webhook:
    given: dict[str, Any] = {
        name: value
        for name in WebhookPatch.__struct_fields__
        if (value := getattr(change, name)) is not None and value != getattr(stored, name)
    }
    return replace(stored, **given, updated_at=now) if given else stored
