"""Batches of the outbox, on the way in and on the way out."""

from collections.abc import Sequence

import pytest

from diglot.model.webhooks import Delivery
from diglot.service.webhooks import WebhookPatch
from diglot.storage.tenant import Tenant
from diglot.storage.webhooks import deliveries
from diglot.storage.write_unit import DELIVERIES_PER_INSERT
from support.outboxes import deliver, outbox
from support.servers.webhook_receiver import ReceivedRequest, answer, receiving


async def test_an_import_is_enqueued_in_parts(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few deliveries are in memory at a time; each webhook gets all, in the order of the import."""
    parts: list[Sequence[Delivery]] = []
    insert = deliveries.insert_all

    async def insert_all(tenant: Tenant, new: Sequence[Delivery]) -> None:
        parts.append(new)
        await insert(tenant, new)

    monkeypatch.setattr(deliveries, "insert_all", insert_all)
    async with outbox(url) as box:
        hooks = [await box.register(f"http://127.0.0.1/{n}") for n in range(3)]
        emails = await box.import_contacts(DELIVERIES_PER_INSERT)
        assert len(parts) > 1
        assert max(len(part) for part in parts) <= DELIVERIES_PER_INSERT
        told = [delivery for part in parts for delivery in part]
        assert [item.number for item in told] == list(range(told[0].number, told[0].number + len(told)))
        for hook in hooks:
            heard = [item.payload for item in told if item.webhook == hook.number]
            assert len(heard) == len(emails)
            assert all(email in subject for email, subject in zip(emails, heard, strict=True))


@pytest.mark.parametrize("way", ["deleted", "switched off", "moved"])
async def test_a_webhook_updated_during_a_batch(url: str, way: str) -> None:
    """The remaining deliveries of the batch go to the new URL, or nowhere."""
    async with outbox(url) as box, receiving() as receiver:
        hook = await box.register(f"{receiver.url}/old")
        to = receiver.url + "/new"
        change = {"switched off": WebhookPatch(active=False), "moved": WebhookPatch(url=to)}

        async def change_it(got: ReceivedRequest) -> bytes:
            if got.path.endswith("/old"):
                if way == "deleted":
                    await box.webhooks.delete(box.caller, "misar", hook.id)
                else:
                    await box.webhooks.update(box.caller, "misar", hook.id, change[way])
            return answer(200)

        receiver.reply = change_it
        await box.import_contacts(3)
        await deliver(box.worker())
        went = [got.path.rpartition("/")[2] for got in receiver.requests]
        assert went == (["old", "new", "new"] if way == "moved" else ["old"])
