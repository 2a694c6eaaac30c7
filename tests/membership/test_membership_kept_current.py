"""After any writes, stored memberships equal a full evaluation."""

import asyncio
from functools import partial
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pyroaring import BitMap

from diglot.conditions import dates
from diglot.conditions.tree import DRAFT
from diglot.errors import DiglotError, InvalidInput
from diglot.membership import compaction, evaluate, moves, passage_of_time, store, writer
from diglot.membership.active_segments import get_active_segments
from diglot.membership.log_delta import LogDelta
from diglot.membership.writer import tick
from diglot.model.contacts import ContactChange
from diglot.model.membership_changes import AtEntry, AtInstant, ChangeOrigin
from diglot.model.pages import Window
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import Workspaces, get_or_create_workspace
from diglot.service.audience.membership_history import MembershipHistory
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.service.contacts import contact_writes
from diglot.service.contacts.contact_changes import changed_contact
from diglot.service.contacts.contacts import Contacts
from diglot.storage import workspaces
from diglot.storage.contacts import queries
from diglot.storage.membership.changes import SegmentChange as Moved
from diglot.storage.membership.log import DeltaRow as Logged
from diglot.storage.membership.log_counts import QUARTER
from diglot.storage.sql.engine import BoundValues, Engine, Executable, NestedEngine, Row, Transaction
from diglot.storage.tenant import Tenant, bind_workspace
from diglot.storage.write_unit import open_unit
from support import canonical
from support.engines import POOLED_TOO
from support.membership.member_ids import collect_ids
from support.membership.membership_checks import expire
from support.membership.random_world import NOW, World


@POOLED_TOO
async def test_random_writes(world: World, pytestconfig: pytest.Config) -> None:
    """Two processes create, update and delete contacts and segments; everything is compared now and then."""
    for _ in range(6):
        await world._segment()
    for _ in range(pytestconfig.getoption("--world-steps")):
        await world.step()
        if world.rng.random() < 0.1:
            await world.check()
        if world.rng.random() < 0.05:
            await world.verify()
    await world.change_zone()
    await world.check()
    await world.verify()


async def test_random_writes_in_blocks(
    world: World, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contacts that are matched together, in blocks of any size, enter and leave as single ones do."""
    monkeypatch.setattr(moves, "MIN_CREATED", 1)
    monkeypatch.setattr(moves, "MIN_CHANGED", 1)
    monkeypatch.setattr(passage_of_time, "MIN_CHANGED", 1)
    for _ in range(6):
        await world._segment()
    for _ in range(pytestconfig.getoption("--world-steps")):
        await world.step()
        if world.rng.random() < 0.1:
            await world.check()
    await world.change_zone()
    await world.check()
    await world.verify()


async def test_random_writes_around_evaluations(
    world: World, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments are evaluated in the background during all other writes, their own updates included."""
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 5)
    for _ in range(8):
        await world._create()
    for _ in range(6):
        await world._segment()
    for _ in range(pytestconfig.getoption("--world-steps")):
        await world.step()
        if world.rng.random() < 0.3:
            await world.build()
        if world.rng.random() < 0.1:
            await world.edit()
        if world.rng.random() < 0.05:
            await world.verify()
    await world.check()
    await world.build_all()
    await world.check()
    await world.verify()


async def test_an_expired_history_is_rejected(world: World, pytestconfig: pytest.Config) -> None:
    """The history before its first row is rejected; the rest is as complete as before."""
    for _ in range(6):
        await world._segment()
    for _ in range(pytestconfig.getoption("--world-steps") // 2):
        await world.step()
    begins = 0
    for _ in range(6):
        begins = await _forgotten(world, begins)
        await world.compare_history(begins)
        with pytest.raises(InvalidInput):
            await world.historian().feed(begins - 1)
        assert await world.historian().feed(None) == await world.historian().feed(begins)
        for _ in range(5):
            await world.step()


async def _forgotten(world: World, begins: int) -> int:
    """Expire some of the history, as soon as writes have compacted the rows after its beginning."""
    for _ in range(200):
        forgotten = await expire(world.engine, world.caller.workspace, begins, world.rng)
        if forgotten is not None:
            return forgotten
        await world.step()
    raise AssertionError("the log was not compacted")


async def test_a_pending_segment_has_no_history(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until a segment of a large workspace is evaluated, a request for its history is an error."""
    await world._create()
    monkeypatch.setattr(evaluate, "MAX_CONTACTS_INLINE", 0)
    caller, segments = world.caller, Segments(world.engine, world.clock)
    everyone = canonical.read({"field": "email", "operator": "is_set"}, "UTC")
    new = NewSegment("everyone", Condition(everyone, OriginalText("canonical", "{}")))
    segment = (await segments.create(caller, new)).id
    past = MembershipHistory(world.engine, world.clock)
    with pytest.raises(InvalidInput, match="still being evaluated"):
        await past.list_all_member_ids(caller, segment, AtInstant(world.now))
    await segments.refresh(caller, segment)
    for as_of in (AtEntry(1), AtInstant(world.clock())):
        assert await collect_ids(await past.list_all_member_ids(caller, segment, as_of)) == world.ids
    with pytest.raises(InvalidInput, match="begins after the change 1"):
        await past.list_all_member_ids(caller, segment, AtEntry(0))


@POOLED_TOO
async def test_a_rolled_back_write_changes_nothing(world: World) -> None:
    """Log rows, compactions and evaluations are rolled back with their transaction, in caches too."""
    for _ in range(4):
        await world._segment()
    for _ in range(40):
        await world._create()
    await world.check()

    class Undone(DiglotError):
        pass

    for number in range(6):

        async def work(transaction: Transaction, number: int = number) -> None:
            inside = Contacts(NestedEngine(transaction), world.clock)
            for id_ in world.ids[: 5 * number]:
                await inside.update(world.caller, id_, world.change())
            if number % 2:
                new = NewSegment("undone", world.condition())
                await Segments(NestedEngine(transaction), world.clock).create_with_count(world.caller, new)
                await inside.update(world.caller, world.ids[0], world.change())
            raise Undone

        with pytest.raises(Undone):
            await world.engine.write(work)
        await world.check()
        await world._update()
        await world.check()


async def test_a_rolled_back_tick_is_not_cached(world: World) -> None:
    """This holds even if a reader of an older state makes this process reload the segments meanwhile."""
    days = {"field": "last_opened_at", "operator": "more_than_days_ago", "operand": 7}
    condition = Condition(canonical.read(days, "UTC"), OriginalText("canonical", "{}"))
    segment = await Segments(world.engine, world.clock).create(world.caller, NewSegment("days", condition))
    workspace, engine = world.caller.workspace, world.engines[0]
    ids = [
        (await world.contacts().create(world.caller, ContactChange({"email": f"{n}@example.com"}))).id
        for n in range(2)
    ]
    opened = [ContactChange({"last_opened_at": world.now - n * dates.DAY}) for n in (2, 1)]

    class Undone(DiglotError):
        pass

    async def work(transaction: Transaction) -> None:
        async with open_unit(Tenant(transaction, workspace), world.clock) as unit:
            for id_, change in zip(ids, opened, strict=True):
                stored = await queries.find_contact_by_id(unit, id_)
                assert stored is not None
                changed = changed_contact(stored, change, world.now)
                # Like a reader that began before the segments changed last.
                await get_active_segments(unit, unit.row.segments_version - 1, unit.zone)
                await contact_writes.update_contacts(unit, [(stored, changed)])
            raise Undone

    with pytest.raises(Undone):
        await engine.write(work)
    await Contacts(engine, world.clock).update(world.caller, ids[1], opened[1])
    world.now += 6 * dates.DAY + dates.SECOND
    for process in world.engines:
        assert (await Segments(process, world.clock).get_with_count(world.caller, segment.id)).count == 1
    await world.check()


async def test_a_clock_set_back_is_followed_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative dates are evaluated once in a transaction, however many parts it has."""
    days = {"field": "last_opened_at", "operator": "in_last_days", "operand": 7}
    condition = Condition(canonical.read(days, "UTC"), OriginalText("canonical", "{}"))
    await Segments(world.engine, world.clock).create(world.caller, NewSegment("days", condition))
    opened = ContactChange({"email": "old@example.com", "last_opened_at": world.now})
    await world.contacts().create(world.caller, opened)
    world.now += 8 * dates.DAY
    await world.contacts().create(world.caller, ContactChange({"email": "later@example.com"}))
    evaluated: list[frozenset[int]] = []
    store_all = writer.evaluate_and_store

    async def note(
        membership_writer: writer.MembershipWriter, numbers: frozenset[int], moment: ChangeOrigin
    ) -> None:
        evaluated.append(numbers)
        await store_all(membership_writer, numbers, moment)

    monkeypatch.setattr(writer, "evaluate_and_store", note)
    world.now -= 4 * dates.DAY
    changes = [
        ContactChange({"email": f"{name}@example.com", "last_opened_at": world.now})
        for name in ("old", "new", "later")
    ]
    await world.contacts().import_all(world.caller, changes)
    assert len(evaluated) == 1
    await world.compare(world.engine)


async def test_a_write_that_waits_does_not_set_the_clock_back(world: World) -> None:
    """A write reads its time before it waits, so the clock may be ahead because of another write."""
    days = {"field": "last_opened_at", "operator": "in_last_days", "operand": 1}
    condition = Condition(canonical.read(days, "UTC"), OriginalText("canonical", "{}"))
    await Segments(world.engine, world.clock).create(world.caller, NewSegment("days", condition))
    opened = ContactChange(
        {"email": "old@example.com", "last_opened_at": world.now - dates.DAY + dates.SECOND}
    )
    await world.contacts().create(world.caller, opened)

    class Waiting:
        """A transaction in which other writes run before its first row."""

        def __init__(self, transaction: Transaction) -> None:
            self._transaction = transaction
            self._waits = True

        def __getattr__(self, name: str) -> Any:
            return getattr(self._transaction, name)

        async def fetch_one(self, statement: Executable, values: BoundValues) -> Row | None:
            if self._waits:
                self._waits = False
                world.now += 2 * store.MAX_CLOCK_SKEW
                await tick(Tenant(self._transaction, world.caller.workspace), world.clock())
            return await self._transaction.fetch_one(statement, values)

    async def work(transaction: Transaction) -> int:
        inside: Any = Waiting(transaction)
        before = world.now
        await Contacts(NestedEngine(inside), world.clock).create(
            world.caller, ContactChange({"email": "new@example.com"})
        )
        return before + 2 * store.MAX_CLOCK_SKEW

    after = await world.engine.write(work)
    state = await world.engine.read(bind_workspace(world.caller.workspace, workspaces.load_state))
    assert state.evaluated_at > after
    await world.check()


async def test_a_change_of_zone_changes_memberships(world: World) -> None:
    """Days begin at other instants, so conditions on days are evaluated again."""
    contacts = world.contacts()
    for hour in (1, 3, 23):
        stored = ContactChange({"email": f"h{hour}@example.com"}, {"at": f"2026-02-01T{hour:02}:00:00"})
        await contacts.create(world.caller, stored)
        moved = ContactChange({"email": f"z{hour}@example.com"}, {"at": f"2026-02-01T{hour:02}:00:00Z"})
        await contacts.create(world.caller, moved)
    written = {"field": "attributes.at", "operator": "before", "operand": "2026-02-01"}
    condition = Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))
    new = NewSegment("before", condition)
    created = await Segments(world.engine, world.clock).create_with_count(world.caller, new)
    assert created.count == 0
    await Workspaces(world.engine).set_time_zone("one", "America/New_York")
    assert (
        await Segments(world.engine, world.clock).get_with_count(world.caller, created.segment.id)
    ).count == 2
    await world.check()


async def test_a_field_that_was_unused_for_a_while(world: World) -> None:
    """Its instant index was dropped meanwhile, so a new condition on the field builds a current one."""
    contacts, service = world.contacts(), Segments(world.engine, world.clock)
    days = {"field": "attributes.seen", "operator": "in_last_days", "operand": 7}
    plan = {"field": "attributes.plan", "operator": "equals", "operand": "pro"}
    lasts, others = (
        Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}")) for written in (days, plan)
    )
    first = await service.create(world.caller, NewSegment("first", lasts))
    seen = [dates.format_instant(world.now - n * dates.DAY) for n in (1, 5, 9)]
    created = [
        await contacts.create(world.caller, ContactChange({"email": f"{n}@example.com"}, {"seen": text}))
        for n, text in enumerate(seen)
    ]
    await service.update(world.caller, first.id, SegmentChange(condition=others))
    for contact, text in zip(created, reversed(seen), strict=True):
        await contacts.update(world.caller, contact.id, ContactChange({}, {"seen": text}))
    await service.create(world.caller, NewSegment("second", lasts))
    for _ in range(4):
        await world.check()
        await world.verify()
        world.now += 2 * dates.DAY


@POOLED_TOO
async def test_parallel_writes_and_reads(world: World) -> None:
    """While contacts change in both processes, every count that is read equals the length of its list."""
    for _ in range(4):
        await world._segment()
    for _ in range(30):
        await world._create()
    done = asyncio.Event()

    async def read() -> int:
        reads = 0
        while not done.is_set():
            await world.compare(world.engine)
            reads += 1
        return reads

    async def write() -> None:
        for _ in range(40):
            await world._update()

    readers = [asyncio.create_task(read()) for _ in range(2)]
    await asyncio.gather(write(), write())
    done.set()
    assert all(reads > 0 for reads in await asyncio.gather(*readers))
    await world.check()


async def test_the_cache_does_not_hold_all_workspaces(engine: Engine) -> None:
    """A process that serves many workspaces caches the most recent ones and reads the others again."""
    engine.process_cache.resize(16_000)
    vip = {"field": "tags", "operator": "contains", "operand": "vip"}
    condition = Condition(canonical.read(vip, "UTC"), OriginalText("canonical", "{}"))
    created = []
    for number in range(8):
        workspace = await engine.write(
            partial(get_or_create_workspace, name=f"w{number}", time_zone="UTC", now=NOW)
        )
        caller = Caller(workspace.number, ZoneInfo("UTC"), "key", frozenset())
        segment = await Segments(engine, lambda: NOW).create(caller, NewSegment("vips", condition))
        created.append((caller, segment.id))
    for members in (1, 2):
        for caller, id_ in created:
            contacts = Contacts(engine, lambda: NOW)
            change = ContactChange({"email": f"{members}@example.com", "tags": ["vip"]})
            contact = await contacts.create(caller, change)
            assert (await Segments(engine, lambda: NOW).refresh(caller, id_)).count == members
            static = NewSegment("by hand", condition, type=SegmentType.STATIC)
            await Segments(engine, lambda: NOW).create(caller, static)
            assert (await Segments(engine, lambda: NOW).get_with_count(caller, id_)).count == members
            await contacts.update(caller, contact.id, ContactChange({"first_name": "Ada"}))
            assert (await Segments(engine, lambda: NOW).count_members(caller, id_)).members == members
    memory: dict[str, Any] = engine.process_cache.by_name()
    for name, kept in memory.items():
        assert len(kept) < len(created), name
    assert {"active segments", "log deltas of readers", "log deltas of writers"} <= memory.keys()


async def test_members_in_several_chunks(world: World) -> None:
    """Pages continue from chunk to chunk, the newest first, over stored and uncompacted changes."""

    async def skip_keys(transaction: Transaction) -> None:
        async with open_unit(Tenant(transaction, world.caller.workspace), world.clock) as unit:
            unit.take_keys("pk", 65_530)
            unit.count_contacts(65_530)

    await world.engines[0].write(skip_keys)
    contacts = world.contacts()
    condition = Condition(
        canonical.read({"field": "email", "operator": "is_set"}, "UTC"), OriginalText("canonical", "{}")
    )
    created = await Segments(world.engine, world.clock).create_with_count(
        world.caller, NewSegment("all", condition)
    )
    ids = [
        (await contacts.create(world.caller, ContactChange({"email": f"k{n}@example.com"}))).id
        for n in range(40)
    ]
    for limit in (1, 7, 40):
        for engine in world.engines:
            results: list[str] = []
            for offset in range(0, 42, limit):
                page = await Segments(engine, world.clock).list_members(
                    world.caller, created.segment.id, Window(offset, limit)
                )
                results += [item.id for item in page.items]
            assert results == ids[::-1]


async def test_a_draft_is_compacted_too(world: World) -> None:
    """A member that left before the segment became a draft does not reappear after a compaction."""
    contacts, segments = world.contacts(), Segments(world.engine, world.clock)
    vip = canonical.read({"field": "tags", "operator": "contains", "operand": "vip"}, "UTC")
    segment = await segments.create_with_count(
        world.caller, NewSegment("vip", Condition(vip, OriginalText("canonical", "{}")))
    )
    await world._segment()
    person = await contacts.create(world.caller, ContactChange({"email": "one@example.com", "tags": ["vip"]}))
    await world.compact()
    await contacts.update(world.caller, person.id, ContactChange({"tags": []}))
    draft = SegmentChange(condition=Condition(DRAFT, OriginalText("canonical", "{}")))
    assert (await segments.update_with_count(world.caller, segment.segment.id, draft)).count == 0
    await world.compact()
    assert (await segments.get_with_count(world.caller, segment.segment.id)).count == 0
    await world.check()


def test_a_delta_holds_the_net_change() -> None:
    """A contact that enters and leaves again is in neither list; an older delta stays unchanged."""
    first = LogDelta(0, 0).with_rows([_row(1, 5, [1, 2], []), _row(2, 6, [1], [3])], 2)
    second = first.with_rows([_row(3, 5, [], [1]), _row(4, 6, [3], []), _row(5, 70_000, [1], [])], 5)
    assert [sorted(item) for item in first.entered_and_left(1)] == [[5, 6], []]
    assert [sorted(item) for item in second.entered_and_left(1)] == [[6, 70_000], []]
    assert [sorted(item) for item in second.entered_and_left(3)] == [[], []]
    assert (sorted(second.net_changes[1].toggled), sorted(second.net_changes[3].toggled)) == ([5], [6])
    assert second.count_by_chunk(1, {0: 3}) == {0: 4, 1: 1}
    assert (first.last_entry, second.last_entry, second.count_members(1, 3)) == (2, 5, 5)
    whole = second.with_rows([Logged(8, rewrites_segment=True, changes=[Moved(1, [1, 2], [6])])], 8)
    assert (whole.count_members(1, 9), whole.net_changes[1].first_entry) == (9, 9)


def test_a_delta_of_many_rows_is_that_of_each_row_after_the_other() -> None:
    """With contacts that move once and several times, rows of one quarter of an hour and of several."""
    rng = Random(7)
    for _ in range(300):
        rows, members = [], {number: set[int]() for number in (1, 2, 3)}
        for entry in range(1, rng.randrange(2, 12)):
            few_or_many = rng.choice([range(5), range(1_000)])
            moved = {
                number: set(rng.sample(few_or_many, rng.randrange(len(few_or_many) // 2)))
                for number in members
            }
            changes = [
                Moved(number, BitMap(pks - members[number]), sorted(pks & members[number]))
                for number, pks in moved.items()
            ]
            for number, pks in moved.items():
                members[number] ^= pks
            quarter = (entry // rng.choice([1, 9])) * QUARTER
            rewrites = rng.random() < 0.1
            changes = changes[: rng.randrange(4)]
            rows.append(Logged(entry, rewrites, changes, (quarter, b"")))
        each = LogDelta(0, 0)
        for row in rows:
            each = each.with_rows([row], row.last_entry)
        assert LogDelta(0, 0).with_rows(rows, len(rows)) == each


async def test_a_write_extends_the_delta_before_the_log_is_compacted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compaction then finds it in memory; a delta that was evicted is not read again at each step."""
    monkeypatch.setattr(compaction, "COMPACT_AT", 1_000)
    engine = world.engines[0]
    contacts, cache = Contacts(engine, world.clock), engine.process_cache.of(store.WRITER_DELTAS)
    vip = canonical.read({"field": "tags", "operator": "contains", "operand": "vip"}, "UTC")
    await Segments(engine, world.clock).create_with_count(
        world.caller, NewSegment("vip", Condition(vip, OriginalText("canonical", "{}")))
    )
    extended: list[int] = []
    for number in range(1, 36):
        change = ContactChange({"email": f"{number}@example.com", "tags": ["vip"]})
        await contacts.create(world.caller, change)
        delta = cache.get(world.caller.workspace)
        if delta is not None and delta.last_entry == number:
            extended.append(number)
        if number == 22:
            cache.clear()
    assert extended == [7, 14, 21]
    await world.check()


def _row(entry: int, pk: int, added: list[int], removed: list[int]) -> Logged:
    entered = [Moved(number, [pk], []) for number in added]
    return Logged(
        entry, rewrites_segment=False, changes=entered + [Moved(number, [], [pk]) for number in removed]
    )
