"""How many statements a call runs, because each is a round trip to PostgreSQL, in a write with a locked row.

A statement over many rows counts once; BEGIN and COMMIT do not count. The use cases are called directly, so
that neither the look-up of the key nor the count of requests is among them; the last tests count all that a
request sends. At first each kind of key was taken by another update of the workspace. Then a write unit
locked the row once, and updated it once. Now a transaction of PostgreSQL sends writes of different tables
together; on SQLite each is sent by itself, because it costs no round trip.

| call                                                            | at first | SQLite | PostgreSQL |
|-----------------------------------------------------------------|----------|--------|------------|
| PATCH of a contact that changes segments, told to a webhook     | 17       | 10     | 6          |
| create of a segment with a member, told to a webhook            | 23       | 12     | 6          |
| PATCH of a segment's name, the first since its create           | 6        | 5      | 4          |
| PATCH of a contact in a workspace without segments and webhooks | 3        | 3      | 3          |
| PATCH of a contact that changes nothing                         | 2        | 2      | 2          |
| PATCH that moves an instant of a relative date, and a segment   |          | 7      | 3          |
| the whole request of the first PATCH, with warm caches          |          | 12     | 7          |
| the same, the first request of its process                      |          | 14     | 10         |
| the whole request of a page of members, with warm caches        |          | 5      | 4          |
| the same, the first request of its process                      |          | 6      | 6          |
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final

import pytest
import pytest_asyncio

from diglot.model.contacts import ContactChange
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText
from diglot.model.webhooks import WebhookEventType
from diglot.service.audience.segments import NewSegment, SegmentPatch, Segments
from diglot.service.webhooks import NewWebhook
from diglot.storage.sql.engine import Engine
from support import canonical
from support.engines import SQLITE, Database
from support.outboxes import Outbox
from support.outboxes import outbox as outboxes
from support.reporting import Tally
from support.servers.api_clients import DialectClient, dialect_clients
from support.servers.in_process import serving
from support.statements import recording

NOW: Final = 1_772_366_400_000_000
# On SQLite and on a server.
MOST_FOR_A_MOVE: Final = (10, 6)
MOST_FOR_A_SEGMENT: Final = (12, 6)
MOST_FOR_A_NAME: Final = (5, 4)
MOST_FOR_A_CHANGE: Final = (3, 3)
MOST_FOR_NO_CHANGE: Final = (2, 2)
MOST_FOR_AN_INSTANT: Final = (7, 3)
# Of whole requests: the PATCH of a contact, and the page of members. With cold caches it is the first request
# of its process.
MOST_FOR_REQUESTS: Final = {"warm": ((12, 7), (5, 4)), "cold": ((14, 10), (6, 6))}
CONTAINS: Final = {"operator": "contains"}
HEARS: Final = (
    WebhookEventType.CONTACT_UPDATED,
    WebhookEventType.SEGMENT_ENTERED,
    WebhookEventType.SEGMENT_LEFT,
)


@pytest_asyncio.fixture
async def box(url: str) -> AsyncIterator[Outbox]:
    """Lend a workspace in a database of its own."""
    async with outboxes(url) as found:
        yield found


def _condition(tag: str) -> Condition:
    written = {"field": "tags", "operator": "contains", "operand": tag}
    return Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))


async def _add_webhook(box: Outbox) -> None:
    new = NewWebhook("topmail", "https://127.0.0.1/", tuple(HEARS), HEARS, "secret")
    await box.webhooks.create(box.caller, new)


async def _add_segments(engine: Engine, box: Outbox) -> Segments:
    segments = Segments(engine, box.clock)
    for tag in ("new", "vip"):
        await segments.create(box.caller, NewSegment(tag, _condition(tag)))
    return segments


async def _add_contact(box: Outbox, tag: str) -> str:
    change = ContactChange({"email": f"{tag}@example.com", "tags": [tag]})
    return (await box.contacts.create(box.caller, change)).id


def _require(
    tally: Tally, database: Database, call: str, statements: Sequence[str], most: tuple[int, int]
) -> None:
    """Expect at most so many statements, on SQLite or on a server."""
    tally(f"statements of a {call}", database.name, len(statements))
    assert len(statements) <= most[database is not SQLITE], "\n".join(statements)


async def test_contact_that_changes_segments(box: Outbox, tally: Tally, database: Database) -> None:
    await _add_webhook(box)
    await _add_segments(box.engine, box)
    # The address has to be free, and the tag is one that no contact had before, so that a row is made for it.
    moved = await _add_contact(box, "new")
    box.now += 1
    change = ContactChange({"tags": ["vip"], "email": "ada@example.com"})
    with recording() as statements:
        await box.contacts.update(box.caller, moved, change)
    _require(tally, database, "PATCH that changes segments", statements, MOST_FOR_A_MOVE)
    (webhook,) = await box.webhooks.list_all(box.caller, "topmail")
    heard = await box.webhooks.list_deliveries(box.caller, "topmail", webhook.id)
    assert {one.event for one in heard[:3]} == set(HEARS)


async def test_new_segment(box: Outbox, tally: Tally, database: Database) -> None:
    await _add_webhook(box)
    segments = await _add_segments(box.engine, box)
    await _add_contact(box, "vip")
    box.now += 1
    with recording() as statements:
        made = await segments.create_with_count(box.caller, NewSegment("more", _condition("vip")))
    assert made.count == 1
    _require(tally, database, "create of a segment", statements, MOST_FOR_A_SEGMENT)


async def test_segment_with_another_name(box: Outbox, tally: Tally, database: Database) -> None:
    segments = await _add_segments(box.engine, box)
    (segment, _) = (await segments.list_page(box.caller, Window(0, 2))).items
    box.now += 1
    with recording() as statements:
        await segments.update(box.caller, segment.id, SegmentPatch(name="other"))
    _require(tally, database, "PATCH of a segment's name", statements, MOST_FOR_A_NAME)


async def test_contact_without_segments(box: Outbox, tally: Tally, database: Database) -> None:
    changed = await _add_contact(box, "new")
    box.now += 1
    with recording() as statements:
        await box.contacts.update(box.caller, changed, ContactChange({"first_name": "Ada"}))
    _require(tally, database, "PATCH without segments", statements, MOST_FOR_A_CHANGE)
    with recording() as statements:
        await box.contacts.update(box.caller, changed, ContactChange({"first_name": "Ada"}))
    _require(tally, database, "PATCH that changes nothing", statements, MOST_FOR_NO_CHANGE)


async def test_contact_that_opened_again(box: Outbox, tally: Tally, database: Database) -> None:
    segments = Segments(box.engine, box.clock)
    written = {"field": "last_opened_at", "operator": "in_last_days", "operand": 30}
    recent = Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))
    made = await segments.create(box.caller, NewSegment("recent", recent))
    box.now += 1
    moved = await _add_contact(box, "new")
    opened = ContactChange({"last_opened_at": NOW - 40 * 86_400_000_000})
    await box.contacts.update(box.caller, moved, opened)
    box.now += 1
    with recording() as statements:
        await box.contacts.update(box.caller, moved, ContactChange({"last_opened_at": NOW}))
    _require(tally, database, "PATCH that moves an instant", statements, MOST_FOR_AN_INSTANT)
    assert (await segments.get_with_count(box.caller, made.id)).count == 1


@asynccontextmanager
async def _requests(url: str) -> AsyncIterator[DialectClient]:
    """Serve with rate limits, in a process that has cached nothing yet."""
    async with serving(url, now=NOW, rate_limits="vendor") as server:
        misar, _ = await dialect_clients(server)
        yield misar


async def _prepare(client: DialectClient) -> tuple[str, list[str]]:
    """Create a webhook, two segments and two contacts; return the first segment and the contacts."""
    hook = {"url": "https://example.com/", "events": ["contact.updated", "segment.entered", "segment.left"]}
    await replace(client, prefix="/mail").request("POST", "/webhooks", hook, 201)
    segments = [
        await client.create(tag, {"operator": "AND", "rules": [{"field": "tags", **CONTAINS, "value": tag}]})
        for tag in ("new", "vip")
    ]
    contacts = [
        await client.request("POST", "/contacts", {"email": f"{name}@example.com", "tags": ["new"]}, 201)
        for name in ("ada", "bob")
    ]
    return segments[0]["id"], [one["data"]["id"] for one in contacts]


@pytest.mark.parametrize("caches", MOST_FOR_REQUESTS)
async def test_whole_requests(url: str, tally: Tally, database: Database, caches: str) -> None:
    """A request finds its key, unless the process did so within a second, and is counted."""
    async with _requests(url) as client:
        segment, (one, other) = await _prepare(client)
    move = ("PATCH", f"/contacts/{one}", {"tags": ["vip"], "email": "cem@example.com"})
    page = ("GET", f"/segments/{segment}/members", None)
    for request, most in zip((move, page), MOST_FOR_REQUESTS[caches], strict=True):
        async with _requests(url) as client:
            if caches == "warm":
                await client.request("PATCH", f"/contacts/{other}", {"tags": ["new", request[0]]})
                await client.request(*page)
            with recording() as statements:
                await client.request(*request)
        _require(tally, database, f"whole {request[0]}, {caches} caches", statements, most)
