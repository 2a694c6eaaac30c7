"""The vendor's client from PyPI registers webhooks, and its own verifier accepts what a server sends."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import misarmail  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from misarmail import verify_webhook_signature

from support.engines import Database
from support.reporting import Tally
from support.servers.process import ServerProcess, running
from support.servers.webhook_receiver import receiving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def two_workers(database: Database) -> AsyncIterator[ServerProcess]:
    """Lend a server of two processes that sends webhooks to this machine."""
    targets = ("--workers", "2", "--webhook-targets", "127.0.0.1")
    async with database.fresh() as url, running(url, *targets) as live:
        yield live


@pytest.mark.one_in(2)
@pytest.mark.parametrize("prefix", ["", "a"], ids=["sync", "async"])
async def test_every_webhook_method(
    two_workers: ServerProcess,
    database: Database,
    prefix: str,
    tally: Tally,
    pytestconfig: pytest.Config,
) -> None:
    """Every method works; a test and many contacts arrive once each, in order, from two processes."""
    number = pytestconfig.getoption("client_deliveries")
    live = replace(two_workers, workspace=prefix or "sync")
    async with receiving() as receiver:
        client = misarmail.MisarMailClient(await live.key("misar"), base_url=f"{live.base}/mail/v1")

        async def hooks(method: str, *arguments: Any) -> Any:
            function = getattr(client.webhooks, f"{prefix}{method}")
            return await (asyncio.to_thread(function, *arguments) if not prefix else function(*arguments))

        created = (await hooks("create", {"url": receiver.url, "events": ["contact.created"]}))["data"]
        assert [item["id"] for item in (await hooks("list"))["data"]] == [created["id"]]
        assert (await hooks("get", created["id"]))["data"]["is_active"] is True
        await hooks("update", created["id"], {"events": ["contact.created", "email.unsubscribed"]})
        assert (await hooks("test", created["id"]))["data"]["type"] == "webhook.test"
        await receiver.wait(1)
        people = [{"email": f"p{n}@example.com"} for n in range(number)]
        for start in range(0, number, 250):
            body = {"contacts": people[start : start + 250]}
            await asyncio.to_thread(client.contacts.import_contacts, body)
        await receiver.wait(number + 1, seconds=60)
        assert [got.email for got in receiver.requests[1:]] == [contact["email"] for contact in people]
        for got in receiver.requests:
            signature, timestamp = got.headers["x-misar-signature"], got.headers["x-misar-timestamp"]
            assert verify_webhook_signature(got.body, signature, timestamp, created["secret"])
        await hooks("delete", created["id"])
        with pytest.raises(misarmail.MisarMailError, match="Webhook not found"):
            await hooks("get", created["id"])
    tally("deliveries that the vendor's client verified", database.name, number + 1)
