"""How many statements a write runs, because each is a round trip to PostgreSQL while a row is locked.

The same on both databases; a statement over many rows counts once. The services are called directly, so that
neither the look-up of the key nor a stored answer is counted. Before, each kind of key was taken by another
update of the workspace; now a write unit locks the row once, and updates it once.

| write                                                             | before | now |
|-------------------------------------------------------------------|--------|-----|
| PATCH of a contact that changes segments, told to a webhook        | 17     | 11  |
| create of a segment with a member, told to a webhook               | 23     | 11  |
| PATCH of a segment's name, the first since its create              | 6      | 5   |
| PATCH of a contact in a workspace without segments and webhooks    | 3      | 3   |
| PATCH of a contact that changes nothing                            | 2      | 2   |
"""

from collections.abc import AsyncIterator
from typing import Final

import pytest_asyncio

from diglot.model.contacts import ContactChange
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText
from diglot.model.webhooks import WebhookEventType
from diglot.service.audience.segments import NewSegment, SegmentPatch, Segments
from diglot.service.webhooks import NewWebhook
from diglot.storage.sql.engine import Engine
from support import canonical
from support.engines import Database
from support.outboxes import Outbox
from support.outboxes import outbox as outboxes
from support.reporting import Tally
from support.statements import recording

MOST_FOR_A_MOVE: Final = 11
MOST_FOR_A_SEGMENT: Final = 11
MOST_FOR_A_NAME: Final = 5
MOST_FOR_A_CHANGE: Final = 3
MOST_FOR_NO_CHANGE: Final = 2
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


async def test_contact_that_changes_segments(box: Outbox, tally: Tally, database: Database) -> None:
    await _add_webhook(box)
    await _add_segments(box.engine, box)
    # The address has to be free, and the tag is one that no contact had before, so that a row is made for it.
    moved = await _add_contact(box, "new")
    box.now += 1
    change = ContactChange({"tags": ["vip"], "email": "ada@example.com"})
    with recording() as statements:
        await box.contacts.update(box.caller, moved, change)
    tally("statements of a PATCH that changes segments", database.name, len(statements))
    assert len(statements) <= MOST_FOR_A_MOVE, "\n".join(statements)
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
    tally("statements of a create of a segment", database.name, len(statements))
    assert len(statements) <= MOST_FOR_A_SEGMENT, "\n".join(statements)


async def test_segment_with_another_name(box: Outbox, tally: Tally, database: Database) -> None:
    segments = await _add_segments(box.engine, box)
    (segment, _) = (await segments.list_page(box.caller, Window(0, 2))).items
    box.now += 1
    with recording() as statements:
        await segments.update(box.caller, segment.id, SegmentPatch(name="other"))
    tally("statements of a PATCH of a segment's name", database.name, len(statements))
    assert len(statements) <= MOST_FOR_A_NAME, "\n".join(statements)


async def test_contact_without_segments(box: Outbox, tally: Tally, database: Database) -> None:
    changed = await _add_contact(box, "new")
    box.now += 1
    with recording() as statements:
        await box.contacts.update(box.caller, changed, ContactChange({"first_name": "Ada"}))
    tally("statements of a PATCH without segments", database.name, len(statements))
    assert len(statements) <= MOST_FOR_A_CHANGE, "\n".join(statements)
    with recording() as statements:
        await box.contacts.update(box.caller, changed, ContactChange({"first_name": "Ada"}))
    tally("statements of a PATCH that changes nothing", database.name, len(statements))
    assert len(statements) <= MOST_FOR_NO_CHANGE, "\n".join(statements)
