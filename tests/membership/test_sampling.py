"""A sample of contacts is compared with all segments: it agrees, and it finds what differs."""

from functools import partial
from random import Random

import pytest
from pyroaring import BitMap
from sqlalchemy import delete

from diglot.background import sampling
from diglot.background.sampling import SampleResult, compare_sample
from diglot.model.contacts import ContactChange
from diglot.model.segments import Condition, OriginalText
from diglot.service.audience.segments import NewSegment, Segments
from diglot.storage.contacts import queries
from diglot.storage.membership import chunks
from diglot.storage.schema import membership_log
from diglot.storage.sql.statement import Statement
from diglot.storage.tenant import Tenant, bind_workspace
from support import canonical
from support.membership.random_world import World


@pytest.mark.parametrize(
    ("last", "size"), [(0, 5), (1, 1), (9, 4), (500, 500), (131_080, 10**6), (70_000, 1)]
)
def test_batches_are_within_a_chunk(last: int, size: int) -> None:
    """No key is chosen twice, and as many as asked for, or all."""
    batches = list(sampling._choose_batches(last, size, Random(1)))
    keys = [key for batch in batches for key in batch]
    assert len(keys) == len(set(keys))
    assert all(1 <= key <= last for key in keys)
    assert all(len({chunks.chunk_of(key) for key in batch}) == 1 for batch in batches)
    if size >= last:
        assert len(keys) == last
    assert last == 0 or keys


async def test_a_random_world_agrees(world: World, pytestconfig: pytest.Config) -> None:
    """Random writes and the clock leave nothing that a sample of all contacts finds."""
    for step in range(pytestconfig.getoption("world_steps") // 2):
        await (world._segment() if step % 10 == 9 else world.step())
    engine, workspace = world.engines[0], world.caller.workspace
    for seed in range(3):
        result = await compare_sample(engine, workspace, 10_000, Random(seed))
        assert result.wrong == {}
        assert result.segments


async def test_members_without_a_contact_are_counted(world: World) -> None:
    """One that was deleted is wrong wherever its key lies, also if no contact is newer, or none is left."""
    engine, workspace = world.engines[0], world.caller.workspace
    condition = Condition(
        canonical.read({"field": "tags", "operator": "contains", "operand": "vip"}, "UTC"),
        OriginalText("canonical", "{}"),
    )
    segment = await Segments(world.engine, world.clock).create(world.caller, NewSegment("vips", condition))
    contacts = world.contacts()
    for each in range(5):
        await contacts.create(
            world.caller, ContactChange({"email": f"{each}@example.com", "tags": ["vip"]}, {})
        )

    async def keep_deleted(tenant: Tenant) -> None:
        await chunks.replace(tenant, segment.number, BitMap([1, 2, 3, 4, 5]))

    for left in (3, 0):
        load = partial(queries.load_key_range, after=left, end=6, limit=5)
        kept = await engine.read(bind_workspace(workspace, load))
        for contact in kept:
            await contacts.delete(world.caller, contact.id)
        await engine.write(bind_workspace(workspace, keep_deleted))
        for each_engine in world.engines:
            each_engine.process_cache.clear()
        found = await compare_sample(engine, workspace, 5, Random(1))
        assert found == SampleResult(left, 1, {segment.number: 5 - left})


async def test_a_wrong_membership_is_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member too many and members that are missing, also of contacts that do not exist."""
    monkeypatch.setattr(sampling, "BATCH", 2)
    engine, workspace = world.engines[0], world.caller.workspace
    condition = Condition(
        canonical.read({"field": "tags", "operator": "contains", "operand": "vip"}, "UTC"),
        OriginalText("canonical", "{}"),
    )
    segment = await Segments(world.engine, world.clock).create(world.caller, NewSegment("vips", condition))
    number = segment.number
    for each in range(5):
        change = ContactChange({"email": f"{each}@example.com", "tags": ["vip"] if each else []}, {})
        await world.contacts().create(world.caller, change)
    assert await compare_sample(engine, workspace, 5, Random(1)) == SampleResult(5, 1, {})

    async def damage(tenant: Tenant) -> None:
        await tenant.transaction.execute(Statement(delete(membership_log)))
        await chunks.replace(tenant, number, BitMap([1, 2]))

    await engine.write(bind_workspace(workspace, damage))
    for engine in world.engines:
        engine.process_cache.clear()
    found = await compare_sample(world.engines[0], workspace, 5, Random(1))
    assert found == SampleResult(5, 1, {number: 4})
