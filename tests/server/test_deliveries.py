"""Deliveries: normally once, at least once after a crash, in order, with retries, never blocked."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio

from diglot.background.retention import Retention
from diglot.errors import Conflict, NotFound
from diglot.model.contacts import ContactChange
from diglot.model.webhooks import Attempt, Delivery, Webhook, WebhookEventType, WebhookMessage
from diglot.service.audience.lists import Lists, NewList
from diglot.service.webhooks import NewWebhook, WebhookPatch
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.sql.engine import Engine, Executable, Transaction
from diglot.storage.sql.sqlite_dialect import SQLITE
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.sweeps import ALL_SHARES, share_of
from diglot.storage.tenant import Tenant
from diglot.storage.webhooks import deliveries as stored
from diglot.storage.webhooks import webhooks
from diglot.storage.write_unit import open_unit
from diglot.webhooks import worker as workers
from diglot.webhooks.deliveries import (
    GIVE_UP_AFTER,
    LEASE_DURATION,
    Deliveries,
    LeasedDeliveries,
)
from diglot.webhooks.sender import Sender
from support import engines
from support.engines import POOLED_TOO, Database
from support.outboxes import SECOND, TARGETS, Outbox, deliver, look, outbox
from support.reporting import Tally
from support.servers.webhook_receiver import ReceivedRequest, Receiver, answer, receiving
from support.statements import recording

MINUTE = 60 * SECOND


@pytest_asyncio.fixture
async def box(url: str) -> AsyncIterator[Outbox]:
    """Lend a workspace."""
    async with outbox(url) as box:
        yield box


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Lend a receiver."""
    async with receiving() as receiver:
        yield receiver


# Enqueued events


async def test_a_write_enqueues_its_events(box: Outbox, receiver: Receiver) -> None:
    """A new contact, an update and an opt-out, in that order; an update without effect sends nothing."""
    hook = await box.register(receiver.url, "contact.created", "contact.updated", "email.unsubscribed")
    ada = await box.create_contact("ada")
    for change in (
        {"first_name": "Ada"},
        {"first_name": "Ada"},
        {"total_opens": 5},
        {"status": "unsubscribed"},
    ):
        box.now += SECOND
        await box.contacts.update(box.caller, ada.id, ContactChange(change))
    await box.contacts.delete(box.caller, ada.id)
    await deliver(box.worker())
    received = [(request.json["type"], request.json["created_at"][17:19]) for request in receiver.requests]
    assert received == [
        ("contact.created", "00"),
        ("contact.updated", "01"),
        ("contact.updated", "04"),
        ("email.unsubscribed", "04"),
    ]
    assert [delivery.delivered_at for delivery in await box.sent(hook)] == [box.now] * 4


async def test_a_rolled_back_write_enqueues_nothing(box: Outbox, receiver: Receiver) -> None:
    """Events without a subscription are not enqueued, either."""
    hook = await box.register(receiver.url, "contact.created")
    ada = await box.create_contact("ada")
    with pytest.raises(Conflict):
        await box.create_contact("ada")
    await box.contacts.update(box.caller, ada.id, ContactChange({"first_name": "Ada"}))
    assert len(await box.sent(hook)) == 1


async def test_an_import_enqueues_each_contact(box: Outbox, receiver: Receiver) -> None:
    """The deliveries are in the order of the import, for each webhook."""
    hooks = [await box.register(f"{receiver.url}/{n}") for n in range(2)]
    emails = await box.import_contacts(150)
    await deliver(box.worker())
    for n in range(2):
        assert [request.email for request in receiver.requests if request.path.endswith(str(n))] == emails
    assert [len(await box.sent(hook)) for hook in hooks] == [100, 100], "the API shows the last hundred"


async def test_lists_enqueue_added_and_removed_contacts(box: Outbox, receiver: Receiver) -> None:
    """Each change is one event; a contact that was already on the list, or was not on it, sends none."""
    events = ("list.member_added", "list.member_removed")
    for word, event in zip(events, (WebhookEventType.LIST_JOINED, WebhookEventType.LIST_LEFT), strict=True):
        new = NewWebhook("topmail", receiver.url, (word,), (event,), "secret")
        await box.webhooks.create(box.caller, new)
    lists = Lists(box.engine, box.clock)
    created = (await lists.create(box.caller, NewList("Friends"))).list
    people = [(await box.create_contact(name)).id for name in ("ada", "bob")]
    assert await lists.add_contacts(box.caller, created.id, people[:1]) == (1, 1)
    assert await lists.add_contacts(box.caller, created.id, people) == (1, 2)
    await lists.remove_contact(box.caller, created.id, people[0])
    with pytest.raises(NotFound):
        await lists.remove_contact(box.caller, created.id, people[0])
    await deliver(box.worker())
    received = sorted(
        (request.json["event"], request.json["data"]["contact"]["email"]) for request in receiver.requests
    )
    emails = ("ada@example.com", "bob@example.com")
    assert received == [(events[0], emails[0]), (events[0], emails[1]), (events[1], emails[0])]
    assert {request.json["data"]["list"]["name"] for request in receiver.requests} == {"Friends"}


async def test_a_workspace_counts_its_active_webhooks(box: Outbox, receiver: Receiver) -> None:
    """The count is exact, because a write reads nothing else."""

    async def count(transaction: Transaction) -> int:
        async with open_unit(Tenant(transaction, box.caller.workspace), box.clock) as unit:
            assert len(await webhooks.list_active(unit)) == unit.row.active_webhook_count
            return unit.row.active_webhook_count

    hooks = [await box.register(receiver.url) for _ in range(2)]
    counts = [await box.engine.write(count)]
    for active in (False, False, True, True, False):
        await box.webhooks.update(box.caller, "misar", hooks[0].id, WebhookPatch(active=active))
        counts.append(await box.engine.write(count))
    for hook in hooks:
        await box.webhooks.delete(box.caller, "misar", hook.id)
        counts.append(await box.engine.write(count))
    assert counts == [2, 1, 1, 2, 2, 1, 1, 0]


# Retries


async def test_a_rejected_delivery_is_retried_for_a_day(box: Outbox, receiver: Receiver) -> None:
    """There are up to five attempts with growing pauses; then the delivery is given up."""
    receiver.status = 500
    hook = await box.register(receiver.url)
    await box.create_contact("ada")
    worker = box.worker()
    waits: list[int] = []
    for attempt in range(1, 7):
        await deliver(worker)
        assert len(receiver.requests) == attempt
        (sent,) = await box.sent(hook)
        assert (sent.attempts, sent.last_status, sent.last_error) == (attempt, 500, "status 500")
        if sent.due_at is not None:
            waits.append((sent.due_at - box.now) // MINUTE)
            box.now = sent.due_at - 1
            await deliver(worker)
            assert len(receiver.requests) == attempt, "the retry waits for its time"
            box.now = sent.due_at
    assert waits == [1, 5, 33, 195, 1131]
    assert sum(waits) < 24 * 60
    assert sent.due_at is None
    assert sent.delivered_at is None
    box.now += 100 * 24 * 60 * MINUTE
    await deliver(worker)
    assert len(receiver.requests) == 6


async def test_pauses_have_random_jitter(box: Outbox, receiver: Receiver) -> None:
    """Deliveries that failed together are not retried together."""
    receiver.status = 503
    hook = await box.register(receiver.url)
    await box.create_contact("ada")
    worker = box.worker()
    worker.deliveries = Deliveries(Sweeper(box.engine, box.clock), lambda: 1)
    await deliver(worker)
    (sent,) = await box.sent(hook)
    assert sent.due_at == box.now + 48 * SECOND


async def test_a_rejected_delivery_blocks_nothing_else(box: Outbox, receiver: Receiver) -> None:
    """The receiver gets the others; the rejected one is retried later."""

    async def refuse_first(got: ReceivedRequest) -> bytes:
        first = got.email == "p0@example.com" and len(receiver.requests) == 1
        return answer(400 if first else 204, b"")

    receiver.reply = refuse_first
    await box.register(receiver.url)
    emails = await box.import_contacts(3)
    worker = box.worker()
    await deliver(worker)
    assert receiver.emails == emails
    box.now += MINUTE
    await deliver(worker)
    assert receiver.emails == [*emails, emails[0]]


async def test_a_receiver_that_times_out_rests(box: Outbox, receiver: Receiver) -> None:
    """It gets single attempts at first, and all deliveries in order once it answers."""
    port = await free_port()
    hook = await box.register(f"http://127.0.0.1:{port}/")
    emails = await box.import_contacts(3)
    worker = box.worker()
    await deliver(worker)
    assert [delivery.attempts for delivery in await box.sent(hook)] == [1, 0, 0]
    assert (await box.sent(hook))[0].last_error == "connection refused or unreachable"
    await box.create_contact("late")
    await deliver(worker)
    assert [delivery.attempts for delivery in await box.sent(hook)] == [1, 0, 0, 0], (
        "nothing is sent during the pause"
    )
    await box.webhooks.update(box.caller, "misar", hook.id, WebhookPatch(url=receiver.url))
    box.now += MINUTE
    await deliver(worker)
    assert receiver.emails == [*emails, "late@example.com"]


@pytest.mark.parametrize(("status", "rests"), [(429, True), (503, True), (500, False)])
async def test_retry_after_is_respected(box: Outbox, receiver: Receiver, status: int, *, rests: bool) -> None:
    """Nothing is sent before that time, neither the rejected delivery nor those behind it."""

    async def busy(_: ReceivedRequest) -> bytes:
        return answer(status if len(receiver.requests) == 1 else 200, b"", "Retry-After: 600")

    receiver.reply = busy
    hook = await box.register(receiver.url)
    emails = await box.import_contacts(3)
    worker = box.worker()
    await deliver(worker)
    assert receiver.emails == (emails[:1] if rests else emails)
    box.now += 10 * MINUTE - 1
    await box.create_contact("late")
    await deliver(worker)
    assert receiver.emails == (emails[:1] if rests else [*emails, emails[0], "late@example.com"])
    box.now += 1
    await deliver(worker)
    assert sorted(receiver.emails[1:]) == sorted([*emails, "late@example.com"])
    assert {delivery.due_at for delivery in await box.sent(hook)} == {None}


async def test_a_delivery_is_given_up_after_a_day(box: Outbox) -> None:
    """A receiver that disappears costs few attempts, and its deliveries end."""
    hook = await box.register(f"http://127.0.0.1:{await free_port()}/")
    await box.import_contacts(5)
    worker = box.worker()
    began = box.now
    for _ in range(60):
        await deliver(worker)
        waiting = await box.deliveries.list_waiting()
        if not waiting:
            break
        box.now = waiting[0].due_at
    assert GIVE_UP_AFTER <= box.now - began < 2 * GIVE_UP_AFTER
    sent = await box.sent(hook)
    assert [item.due_at for item in sent] == [None] * 5
    assert {item.last_error for item in sent} == {"connection refused or unreachable"}
    assert sum(item.attempts for item in sent) <= 30


async def test_410_deactivates_a_webhook(box: Outbox, receiver: Receiver) -> None:
    """A receiver that answers 410 gets nothing more, not even deliveries that already wait."""
    receiver.status = 410
    hook = await box.register(receiver.url)
    await box.import_contacts(3)
    worker = box.worker()
    await deliver(worker)
    assert len(receiver.requests) == 1
    assert not (await box.webhooks.get(box.caller, "misar", hook.id)).active
    await box.create_contact("late")
    assert [delivery.due_at for delivery in await box.sent(hook)] == [None] * 3
    receiver.status = 200
    await box.webhooks.enqueue_test(box.caller, "misar", hook.id)
    await deliver(worker)
    assert [request.json["type"] for request in receiver.requests] == ["contact.created", "webhook.test"]
    await box.webhooks.update(box.caller, "misar", hook.id, WebhookPatch(active=True))
    await box.create_contact("later")
    await deliver(worker)
    assert receiver.requests[-1].email == "later@example.com"


async def test_a_webhook_deactivated_during_an_attempt(box: Outbox, receiver: Receiver) -> None:
    """Its waiting deliveries end; a deleted webhook leaves no rows to update."""
    hooks = [await box.register(f"{receiver.url}/{n}") for n in range(2)]

    async def switch_off(got: ReceivedRequest) -> bytes:
        if got.path.endswith("0"):
            await box.webhooks.update(box.caller, "misar", hooks[0].id, WebhookPatch(active=False))
        else:
            await box.webhooks.delete(box.caller, "misar", hooks[1].id)
        return answer(500)

    receiver.reply = switch_off
    await box.create_contact("ada")
    await deliver(box.worker())
    assert len(receiver.requests) == 2
    (sent,) = await box.sent(hooks[0])
    assert (sent.due_at, sent.last_error) == (None, "the webhook was switched off")
    assert await box.deliveries.list_waiting() == []


# Several processes, and crashed ones


async def test_a_process_dies_before_it_sends(box: Outbox, receiver: Receiver) -> None:
    """Its lease expires, and another process goes on."""
    await box.register(receiver.url)
    emails = await box.import_contacts(3)
    (waiting,) = await box.deliveries.list_waiting()
    taken = await box.deliveries.lease_due(waiting.workspace, waiting.webhook)
    assert taken is not None
    other = box.worker()
    await deliver(other)
    box.now += LEASE_DURATION - 1
    await deliver(other)
    assert receiver.requests == []
    box.now += 1
    await deliver(other)
    assert receiver.emails == emails


async def test_a_process_dies_before_it_records_the_attempt(box: Outbox, receiver: Receiver) -> None:
    """A delivery that arrived without a record arrives again with the same id; the rest arrives once."""
    await box.register(receiver.url)
    emails = await box.import_contacts(3)
    dying = box.worker()

    dying.deliveries = _Dying(Sweeper(box.engine, box.clock), lambda: 0)
    await look(dying)
    await asyncio.gather(*dying._turns.values(), return_exceptions=True)
    assert receiver.emails == emails[:1]
    box.now += LEASE_DURATION
    await deliver(box.worker())
    assert receiver.emails == [emails[0], *emails]
    first, again = receiver.requests[:2]
    assert first.headers["x-misar-delivery"] == again.headers["x-misar-delivery"]
    assert first.body == again.body


class _Dying(Deliveries):
    """A process that dies after it sent a delivery and before it records the attempt."""

    async def record_attempt(self, batch: LeasedDeliveries, delivery: Delivery, attempt: Attempt) -> bool:
        del batch, delivery, attempt
        raise asyncio.CancelledError

    async def release_lease(self, batch: LeasedDeliveries) -> None:
        del batch
        raise asyncio.CancelledError


@POOLED_TOO
async def test_several_processes_share_deliveries(url: str, tally: Tally, database: Database) -> None:
    """Two processes share a thousand deliveries to four receivers: none is lost, doubled or out of order."""
    async with outbox(url) as one, outbox(url) as other, receiving() as receiver:
        hooks = [await one.register(f"{receiver.url}/{n}") for n in range(4)]
        running = [(worker, asyncio.create_task(worker.run())) for worker in (one.worker(), other.worker())]
        for box, (worker, _) in zip((one, other), running, strict=True):
            box.engine.on_commit(worker.wake)
        writing = [box.create_contact(f"w{n}") for n, box in enumerate([one, other] * 50)]
        await asyncio.gather(one.import_contacts(150), *writing)
        await receiver.wait(1_000)
        await asyncio.sleep(0.1)
        for worker, task in running:
            await worker.stop(task)
        assert len(receiver.requests) == 1_000
        assert len({got.headers["x-misar-delivery"] for got in receiver.requests}) == 1_000
        for n, hook in enumerate(hooks):
            got = [request.json["id"] for request in receiver.requests if request.path.endswith(str(n))]
            sent = [f"evt_{each.id.replace('-', '')}" for each in await one.sent(hook)]
            assert got[-100:] == sent, "the deliveries keep the order of the writes"
            assert await one.deliveries.list_waiting() == []
    tally("deliveries by two processes in parallel", database.name, 1_000)


async def test_a_slow_receiver_does_not_block_others(box: Outbox, receiver: Receiver) -> None:
    """Another receiver's events arrive while it works; its own events wait."""
    thinking = asyncio.Event()

    async def think(got: ReceivedRequest) -> bytes:
        if got.path.endswith("slow"):
            await thinking.wait()
        return answer(200)

    receiver.reply = think
    slow = await box.register(f"{receiver.url}/slow")
    quick = await box.register(f"{receiver.url}/quick")
    worker = box.worker(Sender(TARGETS, timeout_seconds=30))
    running = asyncio.create_task(worker.run())
    box.engine.on_commit(worker.wake)
    await box.import_contacts(60)
    await receiver.wait(61)
    await box.create_contact("late")
    await receiver.wait(62)
    assert [got.path.rpartition("/")[2] for got in receiver.requests].count("slow") == 1
    thinking.set()
    await receiver.wait(122)
    await worker.stop(running)
    assert [len(await box.sent(hook)) for hook in (slow, quick)] == [61, 61]


async def test_a_busy_receiver_yields_its_slot(
    box: Outbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one slot in total, both receivers get their turn."""
    monkeypatch.setattr(workers, "MAX_CONCURRENT_TURNS", 1)
    monkeypatch.setattr(workers, "TURN_SECONDS", 0.0)
    for n in range(2):
        await box.register(f"{receiver.url}/{n}")
    await box.import_contacts(30)
    await deliver(box.worker())
    assert len(receiver.requests) == 60
    paths = [got.path[-1] for got in receiver.requests]
    assert "1" in paths[:40]
    assert "0" in paths[:40]


async def test_a_stop_waits_for_the_current_attempt(box: Outbox, receiver: Receiver) -> None:
    """It does not wait for the next delivery, which another process may send immediately."""
    going = asyncio.Event()

    async def think(got: ReceivedRequest) -> bytes:
        del got
        going.set()
        await asyncio.sleep(0.2)
        return answer(200)

    receiver.reply = think
    hook = await box.register(receiver.url)
    await box.import_contacts(3)
    worker = box.worker()
    running = asyncio.create_task(worker.run())
    await going.wait()
    await worker.stop(running)
    assert [delivery.attempts for delivery in await box.sent(hook)] == [1, 0, 0]
    receiver.reply = None
    await deliver(box.worker())
    assert len(receiver.requests) == 3


async def test_a_stop_does_not_wait_for_long(
    box: Outbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow receiver gets the delivery again from another process, immediately."""
    monkeypatch.setattr(workers, "_STOP_SECONDS", 0.1)
    hanging = asyncio.Event()

    async def hang(got: ReceivedRequest) -> bytes:
        del got
        hanging.set()
        await asyncio.sleep(3_600)
        return b""

    receiver.reply = hang
    await box.register(receiver.url)
    await box.create_contact("ada")
    worker = box.worker(Sender(TARGETS, timeout_seconds=3_600))
    running = asyncio.create_task(worker.run())
    await hanging.wait()
    await asyncio.wait_for(worker.stop(running), 5)
    receiver.reply = None
    await deliver(box.worker())
    assert receiver.emails == ["ada@example.com"] * 2


async def test_internal_errors_are_retried(
    box: Outbox, receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that cannot be rendered is logged and retried later; those behind it are sent."""
    caplog.set_level(logging.CRITICAL, logger="diglot.webhooks")
    hook = await box.register(receiver.url)
    emails = await box.import_contacts(2)
    worker = box.worker()
    write = worker.render_message

    def fail(webhook: Webhook, delivery: Delivery, now: int) -> WebhookMessage:
        if emails[0] in delivery.payload:
            raise RuntimeError
        return write(webhook, delivery, now)

    worker.render_message = fail
    await deliver(worker)
    assert receiver.emails == emails[1:]
    assert [delivery.last_error for delivery in await box.sent(hook)] == ["internal error", None]
    # A failing database is not polled without a pause, either.
    worker.poll_seconds = 0.05
    took: list[float] = []

    async def failing(*_: object) -> None:
        took.append(time.monotonic())
        raise RuntimeError

    monkeypatch.setattr(Deliveries, "lease_due", failing)
    await box.create_contact("late")
    worker.look_again()
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.3)
    monkeypatch.setattr(Deliveries, "list_waiting", failing)
    await asyncio.sleep(0.2)
    await worker.stop(running)
    assert 2 <= len(took) <= 12


# Retention


async def purge(box: Outbox) -> int:
    """Delete what is past its retention; return the number of transactions."""
    retention, transactions = Retention(box.engine, 30, box.clock), 0
    while await retention.expire_batch(box.caller.workspace):
        transactions += 1
    return transactions


async def test_old_deliveries_are_purged(
    box: Outbox, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished deliveries are deleted thirty days after their creation, a few at a time."""
    monkeypatch.setattr(stored, "_PURGE_BATCH", 2)
    hook = await box.register(receiver.url)
    await box.import_contacts(5)
    worker = box.worker()
    await deliver(worker)
    box.now += stored.RETENTION_PERIOD
    await box.create_contact("young")
    assert await purge(box) == 0
    assert len(await box.sent(hook)) == 6
    box.now += 1
    assert await purge(box) == 3
    assert len(await box.sent(hook)) == 1
    box.now += 2 * stored.RETENTION_PERIOD
    assert await purge(box) == 0
    assert len(await box.sent(hook)) == 1, "a waiting delivery stays"
    await deliver(worker)
    assert await purge(box) == 1
    assert await box.sent(hook) == []


def query_plan(path: Path, *statements: Executable) -> list[str]:
    """Return SQLite's query plan for a lookup of rows."""
    with closing(sqlite3.connect(path)) as connection:
        plans = [
            connection.execute(f"EXPLAIN QUERY PLAN {sql.text}", [1] * len(sql.parameter_names)).fetchall()
            for sql in (statement.sql_for(SQLITE) for statement in statements)
        ]
    return [" ".join(row[3] for row in plan) for plan in plans]


async def test_few_rows_are_read() -> None:
    """One seek for each webhook finds the waiting deliveries, however many other rows there are."""
    async with engines.SQLITE.fresh() as url:
        plans = query_plan(
            parse_sqlite_path(url),
            *(webhooks._WAITING._of_shares, webhooks._WAITING_IN_WORKSPACE, stored._DUE, stored._LAST),
        )
    for plan in plans[:2]:
        assert "COVERING INDEX deliveries_due (workspace=? AND webhook=? AND due_at>?)" in plan
    assert "SEARCH webhooks USING PRIMARY KEY (workspace=?)" in plans[1]
    assert "INDEX deliveries_due (workspace=? AND webhook=?" in plans[2]
    assert "INDEX deliveries_of_webhook (workspace=? AND webhook=?)" in plans[3]


# Notifications of commits


async def test_a_notification_follows_its_commit(engine: Engine) -> None:
    """It comes once after the commit, with the workspaces; not after a rollback or an unannounced commit."""
    heard: list[set[int]] = []
    engine.on_commit(lambda workspaces: heard.append({*workspaces}))

    async def announcing(transaction: Transaction) -> None:
        for workspace in (2, 1, 2):
            transaction.notify_on_commit(workspace)

    async def failing(transaction: Transaction) -> None:
        transaction.notify_on_commit(3)
        raise NotFound("thing")

    async def quiet(transaction: Transaction) -> None:
        del transaction

    await engine.write(quiet)
    with pytest.raises(NotFound):
        await engine.write(failing)
    assert heard == []
    await engine.write(announcing)
    await asyncio.sleep(0)
    assert heard == [{1, 2}]


async def test_a_write_wakes_the_worker_of_its_process(box: Outbox, receiver: Receiver) -> None:
    """The delivery does not wait for the next poll."""
    worker = box.worker()
    worker.poll_seconds = 3_600
    box.engine.on_commit(worker.wake)
    await box.register(receiver.url)
    running = asyncio.create_task(worker.run())
    await asyncio.sleep(0.1)
    for n in range(3):
        await box.create_contact(f"p{n}")
        await receiver.wait(n + 1, seconds=5)
    await worker.stop(running)


async def test_after_a_write_only_its_workspace_is_looked_at(url: str, receiver: Receiver) -> None:
    """Those of the others wait for the next look at all."""
    async with outbox(url) as box, outbox(url, "two") as other:
        for one in (box, other):
            await one.register(f"{receiver.url}/{one.caller.workspace}")
        worker = box.worker()
        worker.poll_seconds = 3_600
        box.engine.on_commit(worker.wake)
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(0.1)
        await other.create_contact("ada")
        with recording() as statements:
            await box.import_contacts(30)
            await receiver.wait(30, seconds=5)
        assert receiver.emails == [f"p{n}@example.com" for n in range(30)]
        assert webhooks._WAITING._of_shares.sql_for(box.engine.backend).text not in statements
        worker.look_again()
        await receiver.wait(31, seconds=5)
        await worker.stop(running)


async def test_other_processes_finish_what_their_shares_have(url: str, receiver: Receiver) -> None:
    """A process tries once what it wrote; a retry after a while belongs to the process with the share."""
    statuses = [500, 200]

    async def refuse_once(_: ReceivedRequest) -> bytes:
        return answer(statuses.pop(0))

    receiver.reply = refuse_once
    async with outbox(url) as box:
        await box.register(receiver.url)
        writing, holding = box.worker(), box.worker()
        share = share_of(box.caller.workspace)
        for worker, shares in ((writing, ALL_SHARES - {share}), (holding, frozenset({share}))):
            sweeper = Sweeper(box.engine, box.clock, lambda shares=shares: shares)  # type: ignore[misc]
            worker.deliveries = Deliveries(sweeper, lambda: 0)
        await box.create_contact("ada")
        writing.wake([box.caller.workspace])
        await writing._look()
        writing._start_due_turns()
        await asyncio.gather(*writing._turns.values())
        await writing._look()
        writing._start_due_turns()
        box.now += MINUTE
        await deliver(writing)
        assert len(receiver.requests) == 1
        await deliver(holding)
        assert len(receiver.requests) == 2


async def free_port() -> int:
    """Return a port of this machine that no process listens on."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
