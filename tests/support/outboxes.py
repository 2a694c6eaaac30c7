"""A workspace with an outbox, processes that send its deliveries, and a clock that tests move."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from diglot.app import _render_message
from diglot.model.contacts import Contact, ContactChange
from diglot.model.webhooks import Delivery, Webhook, WebhookEventType
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.contacts.contacts import Contacts
from diglot.service.webhooks import NewWebhook, Webhooks
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine
from diglot.webhooks.allowed_targets import parse_allowed_targets
from diglot.webhooks.deliveries import Deliveries
from diglot.webhooks.sender import Sender
from diglot.webhooks.worker import DeliveryWorker

SECOND = 1_000_000
NOW = 1_772_366_400 * SECOND
TARGETS = parse_allowed_targets("127.0.0.0/8")
WORDS = {
    "contact.created": WebhookEventType.CONTACT_CREATED,
    "contact.updated": WebhookEventType.CONTACT_UPDATED,
    "email.unsubscribed": WebhookEventType.CONTACT_UNSUBSCRIBED,
}


@dataclass
class Outbox:
    """A workspace in a database, and its clock."""

    engine: Engine
    caller: Caller
    now: int = NOW
    workers: list[DeliveryWorker] = field(default_factory=list)

    def clock(self) -> int:
        return self.now

    @property
    def webhooks(self) -> Webhooks:
        return Webhooks(self.engine, self.clock, TARGETS)

    @property
    def contacts(self) -> Contacts:
        return Contacts(self.engine, self.clock)

    @property
    def deliveries(self) -> Deliveries:
        """Return the deliveries of a separate process, without jitter."""
        return Deliveries(Sweeper(self.engine, self.clock), lambda: 0)

    async def register(self, url: str, *words: str) -> Webhook:
        """Register a receiver for some events, by default for new contacts."""
        events = words or ("contact.created",)
        heard = tuple(WORDS[word] for word in events)
        return await self.webhooks.create(self.caller, NewWebhook("misar", url, events, heard, "secret"))

    async def create_contact(self, name: str) -> Contact:
        """Create a contact."""
        return await self.contacts.create(self.caller, ContactChange({"email": f"{name}@example.com"}))

    async def import_contacts(self, number: int) -> list[str]:
        """Import contacts; return their addresses in order."""
        emails = [f"p{n}@example.com" for n in range(number)]
        await self.contacts.import_all(self.caller, [ContactChange({"email": email}) for email in emails])
        return emails

    def worker(self, sender: Sender | None = None) -> DeliveryWorker:
        """Return the worker of a separate process, not running."""
        created = DeliveryWorker(
            self.deliveries, sender or Sender(TARGETS, timeout_seconds=2), _render_message
        )
        self.workers.append(created)
        return created

    async def sent(self, hook: Webhook) -> list[Delivery]:
        """Return the deliveries to a webhook, oldest first."""
        return [*reversed(await self.webhooks.list_deliveries(self.caller, "misar", hook.id))]


async def look(worker: DeliveryWorker) -> None:
    """Let a worker look at all workspaces and start what is due."""
    worker.look_again()
    await worker._look()
    worker._start_due_turns()


async def deliver(worker: DeliveryWorker) -> None:
    """Run a worker until it has sent the due deliveries."""
    while True:
        await look(worker)
        if not worker._turns:
            return
        await asyncio.gather(*worker._turns.values())
        await asyncio.sleep(0)


@asynccontextmanager
async def outbox(url: str, workspace: str = "one") -> AsyncIterator[Outbox]:
    """Lend a workspace of a migrated database."""
    engine = create_engine(url)
    await engine.open()
    workspace_row = await engine.write(lambda tx: get_or_create_workspace(tx, workspace, None, NOW))
    result = Outbox(engine, Caller(workspace_row.number, ZoneInfo("UTC"), "key", frozenset()))
    try:
        yield result
    finally:
        for worker in result.workers:
            worker.sender.close()
        await engine.close()
