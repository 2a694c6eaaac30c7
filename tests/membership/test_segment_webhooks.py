"""Webhooks receive the membership changes of segments and dynamic lists: exactly the log, in order."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from pyroaring import BitMap

from diglot.conditions import dates
from diglot.errors import DiglotError
from diglot.membership import compaction, notify, store, writer
from diglot.membership import evaluate as membership_evaluate
from diglot.model.contacts import Contact, ContactChange
from diglot.model.membership_changes import Cause, ChangeOrigin
from diglot.model.segments import (
    Condition,
    ManualMemberChange,
    MemberAction,
    OriginalText,
    Segment,
    SegmentType,
)
from diglot.model.webhooks import EventPayload, Webhook, WebhookEventType
from diglot.service import parts
from diglot.service.access.workspaces import Workspaces
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.contacts.contacts import Contacts
from diglot.service.webhooks import NewWebhook
from diglot.storage.sql.engine import NestedEngine, Transaction
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import open_unit
from diglot.webhooks import outbox
from support import canonical
from support.engines import Database
from support.membership.random_world import World, open_world
from support.membership.webhook_log import EventReader
from support.outboxes import SECOND, Outbox
from support.outboxes import outbox as outboxes
from support.reporting import SEED, Tally

SUBSCRIPTIONS: Final = (
    WebhookEventType.SEGMENT_ENTERED,
    WebhookEventType.SEGMENT_LEFT,
    WebhookEventType.LIST_JOINED,
    WebhookEventType.LIST_LEFT,
)
VIP: Final = {"field": "tags", "operator": "contains", "operand": "vip"}
FRESH: Final = {"field": "last_opened_at", "operator": "in_last_days", "operand": 1}
ENTERED, LEFT, MANY = (
    WebhookEventType.SEGMENT_ENTERED,
    WebhookEventType.SEGMENT_LEFT,
    WebhookEventType.SEGMENT_CHANGED,
)


def condition(written: dict[str, Any]) -> Condition:
    return Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))


def webhook(*hears: WebhookEventType) -> NewWebhook:
    return NewWebhook("topmail", "https://127.0.0.1/", tuple(hears), tuple(hears), "secret")


@pytest_asyncio.fixture
async def world(
    url: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Lend a world with frequent compactions, and with frequent evaluations of many segments."""
    monkeypatch.setattr(writer, "SWEEP_THRESHOLD", 2)
    monkeypatch.setattr(compaction, "COMPACT_AT", 25)
    monkeypatch.setattr(compaction, "COMPACT_PER_CHUNK", 0)
    async with open_world(url, pytestconfig.stash[SEED]) as world:
        yield world


@pytest.fixture(params=[(1_000, 10_000), (1, 3)], ids=["one by one", "many in one"])
def most(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return the maximum number of contacts for single events: of one segment, and of all."""
    in_one, in_all = request.param
    monkeypatch.setattr(notify, "MAX_PER_SEGMENT", in_one)
    monkeypatch.setattr(notify, "MAX_PER_WRITE", in_all)
    return in_one, in_all


@pytest.fixture
def imports_in_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write each import in one part, so that an event shows a contact as it was before or after."""
    monkeypatch.setattr(parts.PartSize, "begin", lambda *_: parts.LARGEST_PART)


@pytest.mark.usefixtures("imports_in_one_part")
async def test_a_random_world_notifies_webhooks(
    world: World, most: tuple[int, int], database: Database, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """After any writes the outbox holds the log: the same contacts, numbers, times and causes."""
    await Outbox(world.engine, world.caller).webhooks.create(world.caller, webhook(*SUBSCRIPTIONS))
    ears = EventReader(world.caller.workspace, *most)
    for _ in range(6):
        await world._segment()
    count = 0
    for _ in range(pytestconfig.getoption("--world-steps")):
        await world.step()
        count += await ears.compare(world.engine)
    await world.change_zone()
    count += await ears.compare(world.engine)
    tally("single events compared with the membership log", database.name, count)
    tally("events for many contacts compared with the membership log", database.name, ears.batches)
    assert (count > 0, ears.batches > 0) == (True, most[0] < 100)


# Each cause


@pytest_asyncio.fixture
async def box(url: str) -> AsyncIterator[Outbox]:
    """Lend a workspace with a webhook that subscribes to everything."""
    async with outboxes(url) as box:
        await box.webhooks.create(box.caller, webhook(*SUBSCRIPTIONS))
        yield box


class Subscriber:
    """Reads the events since the last call, in short form."""

    def __init__(self, box: Outbox) -> None:
        self.box = box
        self._ears = EventReader(box.caller.workspace, notify.MAX_PER_SEGMENT, notify.MAX_PER_WRITE)

    async def new_events(self) -> list[tuple[WebhookEventType, EventPayload]]:
        return await self.box.engine.read(self._ears.new_events)

    async def short_events(self) -> list[tuple[WebhookEventType, str, str, str | None]]:
        """Return each event with its contact, its segment or list, and its cause."""
        return [_short(*event) for event in await self.new_events()]


def _short(event: WebhookEventType, subject: EventPayload) -> tuple[WebhookEventType, str, str, str | None]:
    assert subject.contact is not None
    assert subject.group is not None
    name = subject.contact.email.partition("@")[0]
    return event, name, subject.group.name, None if subject.move is None else subject.move.cause


async def create_segment(box: Outbox, written: dict[str, Any], name: str = "vips", **more: Any) -> Segment:
    new = NewSegment(name, condition(written), **more)
    return (await Segments(box.engine, box.clock).create_with_count(box.caller, new)).segment


async def create_vip(box: Outbox, name: str, **values: Any) -> Contact:
    change = ContactChange({"email": f"{name}@example.com", "tags": ["vip"], **values})
    return await box.contacts.create(box.caller, change)


async def test_writes_of_contacts(box: Outbox) -> None:
    """Contacts are created, updated, imported and deleted; a deletion sends the contact as it was."""
    ear = Subscriber(box)
    await create_segment(box, VIP)
    ada = await create_vip(box, "ada")
    assert await ear.short_events() == [(ENTERED, "ada", "vips", Cause.CONTACT_CREATED)]
    box.now += SECOND
    await box.contacts.update(box.caller, ada.id, ContactChange({"tags": [], "first_name": "Ada"}))
    ((event, subject),) = await ear.new_events()
    assert (event, subject.contact and subject.contact.first_name) == (LEFT, "Ada")
    assert subject.move is not None
    assert (subject.move.sequence, subject.move.at, subject.move.cause) == (
        2,
        box.now,
        Cause.CONTACT_CHANGED,
    )
    changes = [
        ContactChange({"email": f"{name}@example.com", "tags": ["vip"]}) for name in ("bob", "ada", "cem")
    ]
    await box.contacts.import_all(box.caller, changes)
    assert await ear.short_events() == [
        (ENTERED, "bob", "vips", Cause.CONTACT_CREATED),
        (ENTERED, "cem", "vips", Cause.CONTACT_CREATED),
        (ENTERED, "ada", "vips", Cause.CONTACT_CHANGED),
    ]
    await box.contacts.delete(box.caller, ada.id)
    ((event, subject),) = await ear.new_events()
    assert (event, subject.contact and subject.contact.tags) == (LEFT, '["vip"]')
    assert subject.move is not None
    assert subject.move.cause is Cause.CONTACT_DELETED


async def test_time(box: Outbox) -> None:
    """Relative dates send events from the tick, or from the first write, before the events of that write."""
    ear = Subscriber(box)
    await create_segment(box, FRESH, "fresh")
    for name in ("ada", "bob"):
        await create_vip(box, name, last_opened_at=box.now)
    await ear.short_events()
    box.now += dates.DAY + 1
    await box.engine.write(bind_workspace(box.caller.workspace, lambda tenant: writer.tick(tenant, box.now)))
    assert await ear.short_events() == [(LEFT, name, "fresh", Cause.TIME) for name in ("ada", "bob")]
    await create_vip(box, "cem", last_opened_at=box.now)
    box.now += dates.DAY + 1
    await create_vip(box, "dan", last_opened_at=box.now)
    assert await ear.short_events() == [
        (ENTERED, "cem", "fresh", Cause.CONTACT_CREATED),
        (LEFT, "cem", "fresh", Cause.TIME),
        (ENTERED, "dan", "fresh", Cause.CONTACT_CREATED),
    ]


async def test_segments_created_updated_and_renamed(box: Outbox) -> None:
    """A new segment sends its first members; an updated one the contacts that move, under its new name."""
    ear = Subscriber(box)
    for name in ("ada", "bob"):
        await create_vip(box, name, first_name=name)
    segment = await create_segment(box, VIP)
    assert await ear.short_events() == [
        (ENTERED, "ada", "vips", Cause.SEGMENT_CREATED),
        (ENTERED, "bob", "vips", Cause.SEGMENT_CREATED),
    ]
    use = Segments(box.engine, box.clock)
    bob = {"field": "first_name", "operator": "equals", "operand": "bob"}
    await use.update(box.caller, segment.id, SegmentChange("only bob", condition=condition(bob)))
    assert await ear.short_events() == [(LEFT, "ada", "only bob", Cause.SEGMENT_CHANGED)]
    await use.update(box.caller, segment.id, SegmentChange("bobs"))
    assert await ear.short_events() == []
    await create_vip(box, "eve", first_name="bob")
    assert await ear.short_events() == [(ENTERED, "eve", "bobs", Cause.CONTACT_CREATED)]
    await use.update(box.caller, segment.id, SegmentChange(condition=condition({"all": []})))
    assert [event[:2] for event in await ear.short_events()] == [(LEFT, "bob"), (LEFT, "eve")]
    await use.delete(box.caller, segment.id)
    assert await ear.short_events() == [], "a deleted segment sends no events of leaving members"


async def test_changes_by_hand(box: Outbox) -> None:
    """Contacts that already are members, or are none, cause no event."""
    ear = Subscriber(box)
    people = [await create_vip(box, name) for name in ("ada", "bob", "cem")]
    segment = await create_segment(box, {"all": []}, type=SegmentType.STATIC)
    use = Segments(box.engine, box.clock)
    for action, chosen, expected in (
        (MemberAction.ADD, (0, 1), [(ENTERED, "ada"), (ENTERED, "bob")]),
        (MemberAction.ADD, (1,), []),
        (MemberAction.SET, (1, 2), [(LEFT, "ada"), (ENTERED, "cem")]),
        (MemberAction.REMOVE, (0, 2), [(LEFT, "cem")]),
    ):
        ids = tuple(people[item].id for item in chosen)
        await use.change_members(box.caller, segment.id, ManualMemberChange(action, ids))
        events = await ear.short_events()
        assert [event[:2] for event in events] == expected
        assert {event[3] for event in events} <= {Cause.BY_HAND}
    await box.contacts.delete(box.caller, people[1].id)
    assert await ear.short_events() == [(LEFT, "bob", "vips", Cause.CONTACT_DELETED)]


async def test_conditions_on_lists(box: Outbox) -> None:
    """A contact enters or leaves a list, or its list is deleted."""
    ear = Subscriber(box)
    use = Lists(box.engine, box.clock)
    friends = (await use.create(box.caller, NewList("friends"))).list
    await create_segment(box, {"field": "lists", "operator": "equals", "operand": friends.id}, "ours")
    ids = [(await create_vip(box, name)).id for name in ("ada", "bob")]
    await use.add_contacts(box.caller, friends.id, ids)
    assert await ear.short_events() == [
        (ENTERED, "ada", "ours", Cause.LIST_CHANGED),
        (ENTERED, "bob", "ours", Cause.LIST_CHANGED),
        (WebhookEventType.LIST_JOINED, "ada", "friends", None),
        (WebhookEventType.LIST_JOINED, "bob", "friends", None),
    ]
    await use.remove_contact(box.caller, friends.id, ids[0])
    assert (await ear.short_events())[0] == (LEFT, "ada", "ours", Cause.LIST_CHANGED)
    await use.delete(box.caller, friends.id)
    assert await ear.short_events() == [(LEFT, "bob", "ours", Cause.LIST_CHANGED)]


async def test_zones_and_repairs(box: Outbox) -> None:
    """Days begin at other instants; a wrong membership is repaired."""
    ear = Subscriber(box)
    early = ContactChange({"email": "ada@example.com", "tags": ["vip"]}, {"at": "2026-02-01T01:00:00Z"})
    ada = await box.contacts.create(box.caller, early)
    segment = await create_segment(box, VIP)
    await create_segment(
        box, {"field": "attributes.at", "operator": "before", "operand": "2026-02-01"}, "before"
    )
    await ear.short_events()
    await Workspaces(box.engine, box.clock).set_time_zone("one", "America/New_York")
    assert await ear.short_events() == [(ENTERED, "ada", "before", Cause.ZONE_CHANGED)]

    async def break_it(transaction: Transaction) -> None:
        async with open_unit(Tenant(transaction, box.caller.workspace), box.clock) as unit:
            wrong = ChangeOrigin(box.now, Cause.REPAIRED)
            await store.replace_members(unit, segment.number, BitMap(), wrong)

    await box.engine.write(break_it)
    await Segments(box.engine, box.clock).refresh(box.caller, segment.id)
    assert await ear.short_events() == [(ENTERED, "ada", "vips", Cause.REPAIRED)]
    assert ada.pk == 1


async def test_dynamic_lists_send_list_events(box: Outbox) -> None:
    """The events name the list's id and its current name, never the segment behind it."""
    ear = Subscriber(box)
    ada = await create_vip(box, "ada")
    use = Lists(box.engine, box.clock)
    created = (await use.create(box.caller, NewList("vips", condition=condition(VIP)))).list
    ((event, subject),) = await ear.new_events()
    assert (event, subject.group and subject.group.id) == (WebhookEventType.LIST_JOINED, created.id)
    assert subject.move is not None
    assert (subject.move.sequence, subject.move.cause) == (1, Cause.SEGMENT_CREATED)
    others = condition({"not": VIP})
    await use.update(box.caller, created.id, SegmentChange("others", condition=others))
    assert await ear.short_events() == [(WebhookEventType.LIST_LEFT, "ada", "others", Cause.SEGMENT_CHANGED)]
    await box.contacts.update(box.caller, ada.id, ContactChange({"tags": []}))
    await use.update(box.caller, created.id, SegmentChange("the rest"))
    await box.contacts.delete(box.caller, ada.id)
    assert await ear.short_events() == [
        (WebhookEventType.LIST_JOINED, "ada", "others", Cause.CONTACT_CHANGED),
        (WebhookEventType.LIST_LEFT, "ada", "the rest", Cause.CONTACT_DELETED),
    ]


async def test_deleted_contacts_leave_static_lists(box: Outbox) -> None:
    """The events are in the order of the contacts, and of their lists; other contacts cause none."""
    ear = Subscriber(box)
    use = Lists(box.engine, box.clock)
    names = ("one", "two")
    created = [(await use.create(box.caller, NewList(name))).list.id for name in names]
    ids = [(await create_vip(box, name)).id for name in ("ada", "bob", "cem")]
    await use.add_contacts(box.caller, created[0], ids)
    await use.add_contacts(box.caller, created[1], ids[1:])
    await ear.short_events()
    await box.contacts.delete_many(box.caller, ids[:2])
    assert await ear.short_events() == [
        (WebhookEventType.LIST_LEFT, "ada", "one", None),
        (WebhookEventType.LIST_LEFT, "bob", "one", None),
        (WebhookEventType.LIST_LEFT, "bob", "two", None),
    ]


# Many at once


async def test_many_changes_are_one_event(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Subscribers of either event receive it once, with the numbers to read the rest from the log."""
    monkeypatch.setattr(notify, "MAX_PER_SEGMENT", 2)
    async with outboxes(url) as box:
        hooks = [(ENTERED, LEFT), (ENTERED,), (LEFT,), (WebhookEventType.CONTACT_CREATED,)]
        created = [await box.webhooks.create(box.caller, webhook(*hears)) for hears in hooks]
        ear = Subscriber(box)
        await create_segment(box, {"field": "first_name", "operator": "equals", "operand": "a"}, "a")
        people = [("p0", "a"), ("p1", "b"), ("p2", "b"), ("p3", "a")]
        changes = [
            ContactChange({"email": f"{name}@x.example", "first_name": first}) for name, first in people
        ]
        await box.contacts.import_all(box.caller, changes)
        numbers = await _numbers(box, created)
        assert numbers == [2, 2, 0, 4], "two contacts are sent as single events"
        await ear.new_events()
        flipped = [
            ContactChange({"email": f"{name}@x.example", "first_name": "b" if first == "a" else "a"})
            for name, first in people
        ]
        box.now += SECOND
        await box.contacts.import_all(box.caller, flipped)
        assert await _numbers(box, created) == [3, 3, 1, 4]
        (event, subject), *others = await ear.new_events()
        assert len(others) == 2
        assert (event, subject.contact, subject.group and subject.group.name) == (MANY, None, "a")
        batch = subject.batch
        assert batch is not None
        assert (batch.entered, batch.left, batch.first, batch.last) == (2, 2, 3, 6)
        assert (batch.at, batch.cause) == (box.now, Cause.CONTACT_CHANGED)
        only_in = [ContactChange({"email": f"n{n}@x.example", "first_name": "a"}) for n in range(3)]
        await box.contacts.import_all(box.caller, only_in)
        assert await _numbers(box, created) == [4, 4, 1, 7], (
            "a subscriber of leaving contacts alone receives nothing"
        )


async def _numbers(box: Outbox, hooks: list[Webhook]) -> list[int]:
    results = [await box.webhooks.list_deliveries(box.caller, "topmail", hook.id) for hook in hooks]
    return [len(item) for item in results]


async def test_a_write_that_moves_many_in_total(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few contacts in each segment, and many in total: each segment sends one event."""
    monkeypatch.setattr(notify, "MAX_PER_WRITE", 5)
    ear = Subscriber(box)
    for n in range(3):
        await create_segment(box, VIP, f"s{n}")
    await create_vip(box, "ada")
    assert [event for event, _ in await ear.new_events()] == [ENTERED] * 3
    changes = [ContactChange({"email": f"p{n}@example.com", "tags": ["vip"]}) for n in range(2)]
    await box.contacts.import_all(box.caller, changes)
    told = [(event, subject.batch and subject.batch.entered) for event, subject in await ear.new_events()]
    assert told == [(MANY, 2)] * 3


async def test_a_contact_deleted_before_the_evaluation(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a pending segment cannot send single events for all, it sends one event for all."""
    ear = Subscriber(box)
    segment = await create_segment(box, VIP)
    people = [await create_vip(box, name) for name in ("ada", "bob")]
    await ear.short_events()
    monkeypatch.setattr(membership_evaluate, "MAX_CONTACTS_INLINE", 0)
    change = SegmentChange(condition=condition({"not": VIP}))
    await Segments(box.engine, box.clock).update(box.caller, segment.id, change)
    await box.contacts.delete(box.caller, people[0].id)
    assert await ear.new_events() == []

    async def evaluate(transaction: Transaction) -> None:
        async with open_unit(Tenant(transaction, box.caller.workspace), box.clock) as unit:
            here = await writer.open_writer(unit)
            one = frozenset({segment.number})
            await writer.evaluate_and_store(here, one, ChangeOrigin(box.now, Cause.SEGMENT_CHANGED))

    await box.engine.write(evaluate)
    ((event, subject),) = await ear.new_events()
    assert event is MANY
    assert subject.batch is not None
    assert (subject.batch.entered, subject.batch.left) == (0, 2)


# Changes without an event


async def test_a_rolled_back_write_sends_no_event(box: Outbox) -> None:
    """It uses no sequence number, either."""
    ear = Subscriber(box)
    await create_segment(box, VIP)

    class Undone(DiglotError):
        pass

    async def work(transaction: Transaction) -> None:
        change = ContactChange({"email": "ada@example.com", "tags": ["vip"]})
        await Contacts(NestedEngine(transaction), box.clock).create(box.caller, change)
        raise Undone

    with pytest.raises(Undone):
        await box.engine.write(work)
    assert await ear.short_events() == []
    await create_vip(box, "bob")
    ((_, subject),) = await ear.new_events()
    assert subject.move is not None
    assert subject.move.sequence == 1


async def test_without_subscribers(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without webhooks nothing is read; without subscriptions to segment events, no contact is."""
    async with outboxes(url) as box:

        async def fail(*_: object) -> None:
            raise AssertionError

        await create_segment(box, VIP)
        with monkeypatch.context() as patched:
            patched.setattr(outbox, "subscribed_events", fail)
            await create_vip(box, "ada")
        hook = await box.webhooks.create(box.caller, webhook(WebhookEventType.CONTACT_CREATED, LEFT))
        with monkeypatch.context() as patched:
            patched.setattr(notify, "_load_contacts", fail)
            bob = await create_vip(box, "bob")
            assert await _numbers(box, [hook]) == [1]
            with pytest.raises(AssertionError):
                await box.contacts.update(box.caller, bob.id, ContactChange({"tags": []}))


async def test_a_draft_and_a_segment_of_another_workspace(url: str) -> None:
    """A draft and a segment of another workspace send no event."""
    async with outboxes(url) as box, outboxes(url, "two") as other:
        await other.webhooks.create(other.caller, webhook(*SUBSCRIPTIONS))
        ear = Subscriber(other)
        await create_segment(other, {"all": []}, "draft")
        await create_segment(box, VIP)
        await create_vip(box, "ada")
        await create_vip(other, "bob")
        assert await ear.new_events() == []


def test_one_module_writes_the_log() -> None:
    """Only the writer, which sends the events, calls what logs a change of membership."""
    membership = Path(notify.__file__).parent
    calls = re.compile(r"\bstore\.replace_members\(|\blog\.append\(|\bawait sweep_segments\(")
    calling = {path for path in membership.parent.rglob("*.py") if calls.search(path.read_text("utf-8"))}
    # The store and the sweep log what they change, and hand the contacts that moved to the writer.
    assert calling == {membership / name for name in ("store.py", "sweep.py", "writer.py")}
