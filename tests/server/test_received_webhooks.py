"""Webhooks of the vendors become events and opt-outs; without a signature of the source nothing changes."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from diglot.background.retention import Retention
from diglot.conditions import dates
from diglot.dialects.misar.webhooks import received as misar_received
from diglot.dialects.topmail.webhooks import received as topmail_received
from diglot.service.access.webhook_sources import WebhookSources
from diglot.service.access.workspaces import Workspaces
from server.test_request_metrics import read_page
from support.engines import Database
from support.servers.api_clients import dialect_clients
from support.servers.in_process import Server, bearer, serving
from support.webhook_signatures import compute_hex, sign_misar, sign_topmail

NOW = 1_790_000_000_000_000
SECRET = "whsec_of_the_vendor"
EMAIL = "ada@example.com"
Headers = Mapping[str, str | bytes]


def _write_misar(type_: str, id_: str, at: int, data: Any) -> Any:
    return {"id": id_, "type": type_, "created_at": dates.format_instant(at), "data": data}


def _write_topmail(type_: str, id_: str, at: int, data: Any) -> Any:
    message = data | {"message_id": id_} if isinstance(data, dict) else data
    return {"event": type_, "data": message, "timestamp": dates.format_instant(at)}


@dataclass(frozen=True)
class Vendor:
    """A vendor as it sends webhooks: how it writes and signs one."""

    name: str
    prefix: str
    write: Callable[[str, str, int, Any], Any]
    sign: Callable[[bytes, str, int], dict[str, str]]
    unsubscribed: str


VENDORS = (
    Vendor("misar", "/mail/v1", _write_misar, sign_misar, "email.unsubscribed"),
    Vendor("topmail", "/api/v1", _write_topmail, sign_topmail, "contact.unsubscribed"),
)


@dataclass
class Sender:
    """A vendor that sends to a source of a server."""

    vendor: Vendor
    server: Server
    source: str
    misar: Any

    async def post(self, content: bytes, headers: Headers, source: str = "") -> httpx.Response:
        """Send bytes with headers."""
        path = f"{self.vendor.prefix}/webhooks-in/{source or self.source}"
        sent: dict[str, str | bytes] = {"Content-Type": "application/json", **headers}
        encoded = [(k.encode(), v if isinstance(v, bytes) else v.encode()) for k, v in sent.items()]
        return await self.server.client.post(path, content=content, headers=encoded)

    def encode(self, type_: str, id_: str, data: Any = None, at: int | None = None) -> bytes:
        """Return the body of a webhook."""
        given = {"email": EMAIL} if data is None else data
        return json.dumps(
            self.vendor.write(type_, id_, self.server.now if at is None else at, given)
        ).encode()

    async def send(self, type_: str, id_: str, data: Any = None, at: int | None = None) -> str:
        """Send a webhook as the vendor does, and return what became of it."""
        body = self.encode(type_, id_, data, at)
        answer = await self.post(body, self.vendor.sign(body, SECRET, self.server.now))
        assert answer.status_code == 200, answer.text
        outcome: str = answer.json()["data"]["outcome"]
        return outcome

    async def contact(self) -> Any:
        """Return the contact as Misar shows it."""
        (one,) = (await self.misar.request("GET", "/contacts"))["data"]
        return one

    async def events(self) -> list[Any]:
        """Return the events of the workspace, as they arrived."""
        listed: list[Any] = (await self.misar.request("GET", "/events?limit=100"))["data"]
        return listed[::-1]


@pytest_asyncio.fixture(params=VENDORS, ids=lambda vendor: vendor.name)
async def sender(database: Database, request: pytest.FixtureRequest) -> AsyncIterator[Sender]:
    """Lend a vendor and a source of a workspace with one contact."""
    vendor: Vendor = request.param
    async with database.fresh() as url, serving(url, now=NOW, rate_limits="vendor") as server:
        misar, _ = await dialect_clients(server)
        await misar.request("POST", "/contacts", {"email": EMAIL}, 201)
        sources = WebhookSources(await server.beside.engine(), lambda: server.now)
        source = await sources.create("one", vendor.name)
        await sources.set_secret(source, SECRET)
        yield Sender(vendor, server, source, misar)


async def test_engagement_becomes_events(sender: Sender) -> None:
    """Each type has its name and its time, and updates the fields of the contact; a repetition does not."""
    hour = 3_600 * dates.SECOND
    for number, type_ in enumerate(("email.sent", "email.delivered", "email.opened", "email.clicked")):
        data = {"email": EMAIL.upper(), "campaign_id": "c1", "n": number}
        assert await sender.send(type_, f"evt_{number}", data, NOW - hour) == "recorded"
        sender.server.now += dates.SECOND
        assert await sender.send(type_, f"evt_{number}", data, NOW - hour) == "repeated"
    told = await sender.events()
    assert [one["name"] for one in told] == [
        "email.sent",
        "email.delivered",
        "email.opened",
        "email.clicked",
    ]
    assert {one["occurred_at"] for one in told} == {dates.format_instant(NOW - hour)}
    assert {one["campaign_id"] for one in told} == {"c1"}
    assert [one["properties"]["n"] for one in told] == [0, 1, 2, 3]
    contact = await sender.contact()
    assert (contact["total_opens"], contact["total_clicks"]) == (1, 1)
    assert contact["last_opened_at"] == dates.format_instant(NOW - hour)
    assert contact["status"] == "subscribed"


async def test_opt_outs_lower_the_status_and_nothing_raises_it(sender: Sender) -> None:
    """The strictest wins, a soft bounce is an event only, and no type subscribes anybody."""
    soft = {"email": EMAIL, "bounce_type": "Soft"}
    assert await sender.send("email.bounced", "1", soft) == "recorded"
    assert (await sender.contact())["status"] == "subscribed"
    steps = (
        (sender.vendor.unsubscribed, "unsubscribed"),
        ("email.bounced", "bounced"),
        (sender.vendor.unsubscribed, "bounced"),
        ("email.complained", "complained"),
        ("email.bounced", "complained"),
    )
    # Whatever else its data say: only a bounce may pass.
    temporary = {"email": EMAIL, "type": "temporary"}
    for number, (type_, status) in enumerate(steps):
        data = None if type_ == "email.bounced" else temporary
        assert await sender.send(type_, f"s{number}", data) == "recorded"
        assert (await sender.contact())["status"] == status
    for type_ in ("contact.subscribed", "contact.updated", "email.opened"):
        await sender.send(type_, type_)
        assert (await sender.contact())["status"] == "complained"
    # A client that raises the status is not overruled by a repetition.
    contact = await sender.contact()
    await sender.misar.request("PATCH", f"/contacts/{contact['id']}", {"status": "subscribed"})
    assert await sender.send("email.complained", "s3", temporary) == "repeated"
    assert (await sender.contact())["status"] == "subscribed"


async def test_segments_follow_in_the_same_transaction(sender: Sender) -> None:
    """The answer comes when the memberships are right."""
    rules = [
        {"field": "events.email.opened.count.1d", "operator": "equals", "value": 1},
        {"field": "status", "operator": "equals", "value": "subscribed"},
    ]
    made = await sender.misar.create("s", {"operator": "AND", "rules": rules})
    assert (await sender.misar.counts(made["id"]))[0] == 0
    await sender.send("email.opened", "1")
    assert (await sender.misar.counts(made["id"]))[0] == 1
    await sender.send("email.complained", "2")
    assert (await sender.misar.counts(made["id"]))[0] == 0


async def test_what_names_no_contact_is_acknowledged(
    sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    """It makes no contact and no event, and the log has no address."""
    caplog.set_level("INFO", "diglot")
    before = await read_page(sender.server)
    assert await sender.send("email.opened", "1", {"email": "bob@example.com"}) == "no_contact"
    assert await sender.send("email.opened", "2", {"to": "no address"}) == "no_contact"
    assert await sender.send("email.opened", "3", {"contact": {"email": 5}}) == "ignored"
    assert await sender.send("email.opened", "4", {}) == "ignored"
    assert await sender.send("campaign.sent", "5") == "ignored"
    assert await sender.send("email.opened", "6", {"contact": {"email": EMAIL}}) == "recorded"
    assert [one["name"] for one in await sender.events()] == ["email.opened"]
    assert "no_contact" in caplog.text
    assert "bob@example.com" not in caplog.text
    after, name = await read_page(sender.server), "diglot_received_webhooks_total"
    counted = {
        outcome: after.value(name, outcome=outcome) - before.value(name, outcome=outcome)
        for outcome in ("recorded", "repeated", "no_contact", "ignored")
    }
    assert counted == {"recorded": 1, "repeated": 0, "no_contact": 2, "ignored": 3}


async def test_a_time_that_is_none_or_to_come_is_now(sender: Sender) -> None:
    """The time of the data counts, else that of the message; the clock of a vendor may be fast."""
    at = dates.format_instant(NOW - 60 * dates.SECOND)
    later = dates.format_instant(NOW + 3_600 * dates.SECOND)
    for number, data in enumerate(({"timestamp": at}, {"timestamp": "soon"}, {"timestamp": later})):
        await sender.send("email.opened", str(number), {"email": EMAIL, "campaign_id": 5} | data)
    await sender.send("email.opened", "fast", None, NOW + 3_600 * dates.SECOND)
    body = json.dumps({"id": "own", "type": "email.opened", "data": {"email": EMAIL}}).encode()
    if sender.vendor.name == "misar":
        assert (await sender.post(body, sign_misar(body, SECRET, NOW))).status_code == 200
    told = await sender.events()
    now = dates.format_instant(NOW)
    assert [one["occurred_at"] for one in told][:4] == [at, now, now, now]
    assert {one["occurred_at"] for one in told[4:]} <= {now}
    assert {one["campaign_id"] for one in told} == {None}


async def test_what_is_too_old_is_not_counted_and_opts_out(sender: Sender) -> None:
    """An event from before what is kept is acknowledged; who opted out then has opted out."""
    await Workspaces(await sender.server.beside.engine(), lambda: NOW).set_event_days("one", 1)
    retention = Retention(await sender.server.beside.engine(), 30, lambda: NOW)
    while await retention.expire_batch(1):
        pass
    old = NOW - 2 * dates.DAY
    assert await sender.send("email.bounced", "1", None, old) == "recorded"
    assert await sender.events() == []
    assert (await sender.contact())["status"] == "bounced"


async def refuse(sender: Sender, body: bytes, headers: Headers, source: str = "") -> None:
    """Send what is not to be accepted: a 401 in the words of the dialect, and nothing is stored."""
    answer = await sender.post(body, headers, source)
    assert answer.status_code == 401, answer.text
    assert "Invalid webhook signature" in answer.text
    assert await sender.events() == []
    assert (await sender.contact())["status"] == "subscribed"


async def test_other_signatures_are_refused(sender: Sender) -> None:
    """None, one of another secret, body or time, of another form, and of a key in its place."""
    sign, body = sender.vendor.sign, sender.encode("email.complained", "1")
    good = sign(body, SECRET, NOW)
    (name, signature) = next(iter(good.items()))
    await refuse(sender, body, {})
    await refuse(sender, body, bearer(sender.misar.key))
    others = ("", "x", "sha256=" + signature, signature.upper(), signature[:-1], b"\xe9" * 64)
    for other in others:
        await refuse(sender, body, {**good, name: other})
    await refuse(sender, body, sign(body, "another", NOW))
    await refuse(sender, body + b" ", good)
    await refuse(sender, sender.encode("email.complained", "2"), good)


async def test_old_webhooks_are_refused(sender: Sender) -> None:
    """A signature is good for a while after its time, and before it as far as clocks may differ."""
    misar = sender.vendor.name == "misar"
    most = misar_received.TOLERANCE * dates.SECOND if misar else topmail_received.MAX_AGE
    for away in (most + dates.SECOND, -most - dates.SECOND):
        at = NOW - away
        body = sender.encode("email.complained", "1", None, at)
        await refuse(sender, body, sender.vendor.sign(body, SECRET, at))
    body = sender.encode("email.complained", "1", None, NOW - most)
    answer = await sender.post(body, sender.vendor.sign(body, SECRET, NOW - most))
    assert answer.json()["data"]["outcome"] == "recorded"


@pytest.mark.parametrize("timestamp", ["", "soon", "1e9", "-1", "2026-03-01T12:00:00Z", "1" * 40])
async def test_times_of_another_form_are_refused(sender: Sender, timestamp: str) -> None:
    """Whether the time is in a header or in the body."""
    if sender.vendor.name == "misar":
        body = sender.encode("email.complained", "1")
        signature = compute_hex(SECRET, timestamp.encode() + b"." + body)
        headers = {"X-Misar-Signature": signature, "X-Misar-Timestamp": timestamp}
    else:
        written = timestamp if timestamp.count(":") != 2 else "2020-01-01T12:00:00Z"
        body = json.dumps(
            {"event": "email.complained", "data": {"email": EMAIL}, "timestamp": written}
        ).encode()
        headers = sign_topmail(body, SECRET, NOW)
    await refuse(sender, body, headers)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"timestamp": 5}', b"[" * 100_000])
async def test_signed_bodies_of_another_form_are_refused(sender: Sender, body: bytes) -> None:
    """A signature alone does not make a message: it is a 400, or a 401 where the body has the time."""
    answer = await sender.post(body, sender.vendor.sign(body, SECRET, NOW))
    assert answer.status_code == (400 if sender.vendor.name == "misar" else 401)
    assert await sender.events() == []


async def test_sources_are_apart(sender: Sender) -> None:
    """The secret of one source opens no other: not of another workspace, of the other dialect, or of none."""
    server, other = sender.server, next(one for one in VENDORS if one is not sender.vendor)
    sources = WebhookSources(await server.beside.engine(), lambda: server.now)
    stranger = (await dialect_clients(server, "two"))[0]
    await stranger.request("POST", "/contacts", {"email": EMAIL}, 201)
    theirs = await sources.create("two", sender.vendor.name)
    body = sender.encode("email.complained", "1")
    signed = sender.vendor.sign(body, SECRET, NOW)
    await refuse(sender, body, signed, theirs)
    await sources.set_secret(theirs, "theirs")
    await refuse(sender, body, signed, theirs)
    await refuse(sender, body, sender.vendor.sign(body, "theirs", NOW))
    ours_elsewhere = await sources.create("one", other.name)
    await sources.set_secret(ours_elsewhere, SECRET)
    await refuse(sender, body, signed, ours_elsewhere)
    for unknown in ("019ca3f1-d000-7001-8a00-5eed00000009", "none", "%00"):
        await refuse(sender, body, signed, unknown)
    (one,) = (await stranger.request("GET", "/contacts"))["data"]
    assert one["status"] == "subscribed"
    await sources.delete(sender.source)
    await refuse(sender, body, signed)


async def test_limits(sender: Sender) -> None:
    """A body has a size and a media type, and a source a rate, which no other call shares."""
    body = sender.encode("email.opened", "1", {"email": EMAIL, "x": "y" * 1_100_000})
    large = await sender.post(body, sender.vendor.sign(body, SECRET, NOW))
    assert large.status_code == 413
    body = sender.encode("email.opened", "1")
    signed = sender.vendor.sign(body, SECRET, NOW)
    typed = await sender.post(body, {**signed, "Content-Type": "text/plain"})
    assert typed.status_code == 415
    accepted = await sender.post(body, signed)
    assert accepted.headers["x-ratelimit-remaining"] == "5999"
    for _ in range(3):
        refused = await sender.post(body, {})
        assert (refused.status_code, "x-ratelimit-remaining" in refused.headers) == (401, False)
    assert (await sender.post(body, signed)).headers["x-ratelimit-remaining"] == "5998"
