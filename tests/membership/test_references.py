"""Rules follow what they name, and no segment gains a member by a rename or a deletion."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from pyroaring import BitMap
from sqlalchemy import select

from diglot.background.first_evaluation import FirstEvaluation
from diglot.background.verification import Verification
from diglot.errors import InUse, NotFound
from diglot.membership import compaction, evaluate, notify
from diglot.membership.writer import load_active_segments
from diglot.model.contacts import ContactChange
from diglot.model.membership_changes import AtEntry, Cause
from diglot.model.segments import Condition, Segment, SegmentType
from diglot.model.webhooks import WebhookEventType
from diglot.service.audience.explain import Explanations
from diglot.service.audience.lists import Lists, NewList
from diglot.service.audience.membership_changes import MembershipChanges
from diglot.service.audience.membership_history import MembershipHistory
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.audience.tags import TagPatch, Tags
from diglot.service.contacts.contacts import Contacts
from diglot.service.webhooks import NewWebhook
from diglot.storage.background import due_work
from diglot.storage.background.due_work import SegmentKey
from diglot.storage.contacts import history_index
from diglot.storage.schema import workspaces
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import open_unit
from support import canonical
from support.engines import Database
from support.membership.random_world import World
from support.membership.reference_world import ALL, ReferenceWorld, source
from support.membership.webhook_log import EventReader
from support.outboxes import Outbox
from support.reporting import Tally

OTHERS = {"field": "tags", "operator": "not_contains", "operand": "vip"}
HEARS = (
    WebhookEventType.SEGMENT_ENTERED,
    WebhookEventType.SEGMENT_LEFT,
    WebhookEventType.LIST_JOINED,
    WebhookEventType.LIST_LEFT,
)
FRESH = {"field": "last_opened_at", "operator": "in_last_days", "operand": 1}


def condition(written: Mapping[str, Any]) -> Condition:
    return Condition(canonical.read(written), source(written))


async def test_random_references(
    world: World, pytestconfig: pytest.Config, tally: Tally, database: Database
) -> None:
    """Tags and lists are renamed and deleted, zones changed: the oracle knows the members all the time."""
    references = ReferenceWorld(world)
    new = NewWebhook("topmail", "https://127.0.0.1/", HEARS, HEARS, "secret")
    await Outbox(world.engine, world.caller).webhooks.create(world.caller, new)
    reader = EventReader(world.caller.workspace, notify.MAX_PER_SEGMENT, notify.MAX_PER_WRITE)
    for step in [references.contact] * 8 + [references.list_] * 2 + [references.segment] * 6:
        await step()
        await reader.compare(world.engine)
    changes = (references.contact, references.segment, references.list_, references.zone)
    narrowing = (references.rename, references.delete_tag, references.delete_list)
    for _ in range(pytestconfig.getoption("--world-steps")):
        if world.rng.random() < 0.4:
            await references.narrow(world.rng.choice(narrowing))
        else:
            await world.rng.choice(changes)()
        await reader.compare(world.engine)
        if world.rng.random() < 0.3:
            await references.check()
        if world.rng.random() < 0.05:
            await world.verify()
    await references.check()
    await world.verify()
    assert references.compared
    tally("segments invalidated by deletions", database.name, references.invalidated)


async def _contacts(world: World) -> dict[str, str]:
    """Create a vip and another contact; return their ids."""
    contacts = Contacts(world.engines[0], world.clock)
    return {
        tag: (await contacts.create(world.caller, ContactChange({"email": f"{tag}@x.com", "tags": [tag]}))).id
        for tag in ("vip", "new")
    }


async def _tag(world: World, name: str) -> str:
    page = await Tags(world.engine, world.clock).list_page(world.caller, ALL)
    return next(tag.id for tag in page.items if tag.name == name)


async def _delete_tag(world: World, name: str = "vip") -> None:
    await Tags(world.engine, world.clock).delete(world.caller, await _tag(world, name))


async def _create(world: World, written: Mapping[str, Any], **more: Any) -> Segment:
    new = NewSegment("others", condition(written), **more)
    return await Segments(world.engine, world.clock).create(world.caller, new)


async def _count(world: World, id_: str) -> int:
    return (await Segments(world.engine, world.clock).count_members(world.caller, id_)).members


async def test_a_rename_moves_nobody(world: World) -> None:
    """No entry is written while the contacts and the rules change, in segments of any kind."""
    await _contacts(world)
    for written in (
        OTHERS,
        {"field": "tags", "operator": "equals", "operand": "vip"},
        {"not": {"any": [OTHERS]}},
    ):
        await _create(world, {"any": [written, FRESH]})
        await _create(world, written, type=SegmentType.STATIC)
    before = (await world.historian().take_snapshot()).entry
    tags = Tags(world.engine, world.clock)
    await tags.update(world.caller, await _tag(world, "vip"), TagPatch(name="gold"))
    assert (await world.historian().take_snapshot()).entry == before
    await world.compare(world.engine)
    page = await Segments(world.engine, world.clock).list_page(world.caller, ALL)
    assert all("gold" in segment.condition.original.text for segment in page.items)
    assert {segment.revision for segment in page.items} == {2}


async def test_another_spelling_of_a_name_rewrites_no_rule(world: World) -> None:
    """A name in another normal form is the same tag."""
    segment = await _create(world, {"field": "tags", "operator": "contains", "operand": "caf\u00e9"})
    change = ContactChange({"email": "ada@x.com", "tags": ["caf\u00e9"]})
    await Contacts(world.engine, world.clock).create(world.caller, change)
    tags = Tags(world.engine, world.clock)
    await tags.update(world.caller, await _tag(world, "caf\u00e9"), TagPatch(name="cafe\u0301"))
    stored = await Segments(world.engine, world.clock).get(world.caller, segment.id)
    assert (stored.revision, stored.condition) == (1, segment.condition)
    assert await _count(world, segment.id) == 1


async def test_a_rename_counts_longer_rules(world: World) -> None:
    """The rules of a workspace are counted by the length of their stored form."""
    await _contacts(world)
    names = [f"{number:02}" + "x" * 70 for number in range(9)]
    segment = await _create(world, {"field": "tags", "operator": "in", "operand": ["vip", *names]})
    counts = [await _count_rules(world)]
    tags = Tags(world.engine, world.clock)
    await tags.update(world.caller, await _tag(world, "vip"), TagPatch(name="y" * 50))
    counts.append(await _count_rules(world))
    await Segments(world.engine, world.clock).delete(world.caller, segment.id)
    assert [*counts, await _count_rules(world)] == [1, 1, 0]


async def _count_rules(world: World) -> int:
    statement = Statement(select(workspaces.c.rule_count))
    row = await world.engine.read(lambda transaction: transaction.fetch_one(statement))
    assert row is not None
    return int(row[0])


async def test_an_invalid_segment_is_logged_and_told(world: World) -> None:
    """Those who leave are in the log with their cause; the members of before can still be listed."""
    ids = await _contacts(world)
    segment = await _create(world, OTHERS)
    entry = (await world.historian().take_snapshot()).entry
    await _delete_tag(world)
    past = MembershipHistory(world.engine, world.clock)
    before = await past.list_members(world.caller, segment.id, ALL, AtEntry(entry))
    assert [contact.id for contact in before.items] == [ids["new"]]
    last = (await world.historian().take_snapshot()).entry
    assert last == entry + 1
    after = await past.list_members(world.caller, segment.id, ALL, AtEntry(last))
    assert list(after.items) == []
    feed = await MembershipChanges(world.engine).list_for_segment(world.caller, segment.id, 0, 10)
    causes = [change.origin.cause for change in feed.changes]
    assert causes == [Cause.SEGMENT_CREATED, Cause.SEGMENT_INVALID]
    await world.check()


async def test_what_runs_by_itself_leaves_an_invalid_segment_empty(world: World) -> None:
    """Writes, the clock, verification, refresh and a change of the zone make nobody a member."""
    ids = await _contacts(world)
    segment = await _create(world, {"any": [OTHERS, FRESH]})
    await _delete_tag(world)
    segments, contacts = Segments(world.engine, world.clock), Contacts(world.engine, world.clock)
    key = SegmentKey(world.caller.workspace, segment.number)

    async def write() -> None:
        await contacts.update(world.caller, ids["new"], ContactChange({"last_opened_at": world.now}))

    async def pass_time() -> None:
        world.now += 86_400_000_000
        await write()

    async def verify() -> None:
        result = await Verification(world.engine, world.clock).verify(key)
        assert result is not None
        assert result.is_correct

    async def refresh() -> None:
        assert (await segments.refresh(world.caller, segment.id)).count == 0

    async def create_tag() -> None:
        await contacts.update(world.caller, ids["new"], ContactChange({"tags": ["vip"]}))

    async def rename_segment() -> None:
        await segments.update(world.caller, segment.id, SegmentChange(name="renamed"))

    steps: list[Callable[[], Awaitable[None]]] = [
        *(write, pass_time, verify, refresh, create_tag, rename_segment, world.change_zone, verify)
    ]
    for step in steps:
        await step()
        assert await _count(world, segment.id) == 0, step.__name__
        await world.check()
    explained = await Explanations(world.engine, world.clock).explain(world.caller, segment.id, ids["new"])
    assert (explained.is_member, explained.verdict is not None and explained.verdict.matches) == (
        False,
        False,
    )
    stored = await segments.get(world.caller, segment.id)
    await segments.update(world.caller, segment.id, SegmentChange(condition=stored.condition))
    assert await _count(world, segment.id) > 0
    await world.check()


async def test_verification_empties_an_invalid_segment(world: World) -> None:
    """Members that an invalid segment should not have are a difference, which is repaired."""
    await _contacts(world)
    segment = await _create(world, {"all": [OTHERS, {"field": "email", "operator": "is_set"}]})
    await _delete_tag(world)
    workspace = world.caller.workspace

    async def break_it(tenant: Tenant) -> None:

        async with open_unit(tenant, world.clock) as unit:
            active = await load_active_segments(unit)
            await compaction.rewrite_chunks(unit, segment.number, BitMap([2]), active)

    await world.engines[0].write(bind_workspace(workspace, break_it))
    result = await Verification(world.engines[0], world.clock).verify(SegmentKey(workspace, segment.number))
    assert result is not None
    assert not result.is_correct
    assert await _count(world, segment.id) == 0
    await world.verify()


async def test_a_pending_segment_becomes_invalid(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that began before the deletion stores nothing after it."""
    await _contacts(world)
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 0)
    segment = await _create(world, OTHERS)
    building = FirstEvaluation(world.engine, world.clock)
    scan = await building.scan_segment(SegmentKey(world.caller.workspace, segment.number))
    assert scan is not None
    assert len(scan.members) == 1
    await _delete_tag(world)
    assert not await building.store_result(scan)
    assert await world.engine.read(due_work.list_pending_segments) == []
    assert await _count(world, segment.id) == 0


async def test_a_scan_does_not_outlive_a_rename(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of a pending segment are renamed, too, and scanned again."""
    await _contacts(world)
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 0)
    segment = await _create(world, OTHERS)
    building = FirstEvaluation(world.engine, world.clock)
    scan = await building.scan_segment(SegmentKey(world.caller.workspace, segment.number))
    tags = Tags(world.engine, world.clock)
    await tags.update(world.caller, await _tag(world, "vip"), TagPatch(name="gold"))
    assert scan is not None
    assert not await building.store_result(scan)
    await world.build_all()
    assert await _count(world, segment.id) == 1


async def test_an_invalid_segment_needs_no_index(world: World) -> None:
    """The instants of a field that only invalid rules compare are no longer kept."""
    await _contacts(world)
    await _create(world, {"all": [OTHERS, FRESH]})
    load = bind_workspace(world.caller.workspace, history_index.load_indexed_fields)
    assert await world.engine.read(load) == {"last_opened_at"}
    await _delete_tag(world)
    assert await world.engine.read(load) == set()


async def _tag_again(world: World, id_: str) -> None:
    """Delete the tag vip, and create it again on a contact."""
    await _delete_tag(world)
    await Contacts(world.engine, world.clock).update(world.caller, id_, ContactChange({"tags": ["vip"]}))


async def test_a_tag_is_deleted_twice(world: World) -> None:
    """The rules are invalid because of it already, so it is told once, and refuses no other deletion."""
    ids = await _contacts(world)
    segment = await _create(world, OTHERS)
    await _tag_again(world, ids["new"])
    tags = Tags(world.engine, world.clock)
    await tags.delete(world.caller, await _tag(world, "vip"), force=False)
    stored = await Segments(world.engine, world.clock).get(world.caller, segment.id)
    assert [one.name for one in stored.deleted_references] == ["vip"]
    assert await _count(world, segment.id) == 0
    await world.check()


async def test_another_deleted_tag_is_told_too(world: World) -> None:
    """Rules that are invalid because of one tag still name the other, so that is asked and told."""
    await _contacts(world)
    segment = await _create(world, {"all": [OTHERS, {**OTHERS, "operand": "new"}]})
    await _delete_tag(world)
    tags = Tags(world.engine, world.clock)
    with pytest.raises(InUse):
        await tags.delete(world.caller, await _tag(world, "new"), force=False)
    await _delete_tag(world, "new")
    stored = await Segments(world.engine, world.clock).get(world.caller, segment.id)
    assert [one.name for one in stored.deleted_references] == ["vip", "new"]


async def test_a_rename_leaves_a_deleted_tag_in_rules(world: World) -> None:
    """Invalid rules are kept as written; another tag of the deleted name is not the one that they name."""
    ids = await _contacts(world)
    invalid = await _create(world, {"all": [OTHERS, {**OTHERS, "operand": "new"}]})
    await _tag_again(world, ids["vip"])
    valid = await _create(world, OTHERS)
    tags, segments = Tags(world.engine, world.clock), Segments(world.engine, world.clock)
    await tags.update(world.caller, await _tag(world, "vip"), TagPatch(name="gold"))
    kept = await segments.get(world.caller, invalid.id)
    assert (kept.revision, kept.condition) == (1, invalid.condition)
    assert [one.name for one in kept.deleted_references] == ["vip"]
    assert "gold" in (await segments.get(world.caller, valid.id)).condition.original.text
    await tags.update(world.caller, await _tag(world, "new"), TagPatch(name="newer"))
    kept = await segments.get(world.caller, invalid.id)
    assert kept.condition.original.text == invalid.condition.original.text.replace('"new"', '"newer"')
    await world.check()


async def test_a_list_and_its_own_segment(world: World) -> None:
    """A dynamic list that excludes itself is deleted, and invalidates others that exclude it, each once."""
    await _contacts(world)
    lists = Lists(world.engine, world.clock)
    created = await lists.create(world.caller, NewList("all", None, condition(OTHERS)))
    id_ = created.list.id
    own = {"field": "lists", "operator": "not_in", "operand": [id_]}
    await lists.update(world.caller, id_, SegmentChange(condition=condition(own)))
    segment = await _create(world, {"any": [own, OTHERS]})
    static = await _create(world, own, type=SegmentType.STATIC)
    await _delete_tag(world)
    assert await _count(world, segment.id) == 0
    await lists.delete(world.caller, id_)
    with pytest.raises(NotFound):
        await lists.get(world.caller, id_)
    segments = Segments(world.engine, world.clock)
    stored = await segments.get(world.caller, segment.id)
    assert [one.name for one in stored.deleted_references] == ["vip", "all"]
    assert (await segments.get(world.caller, static.id)).deleted_references == ()
    assert await _count(world, static.id) == 2
    await world.check()
