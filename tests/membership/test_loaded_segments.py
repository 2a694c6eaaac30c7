"""A process loads the segments that changed since it loaded them, and all of them only where it must."""

from collections.abc import Collection, Sequence
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from diglot.membership.active_segments import CACHE, ActiveSegments, get_active_segments
from diglot.model.segments import Condition, OriginalText, SegmentType
from diglot.model.workspaces import Caller
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.audience.segments import NewSegment, Segments
from diglot.service.audience.segments import SegmentPatch as SegmentChange
from diglot.storage import workspaces
from diglot.storage.connect import create_engine
from diglot.storage.membership import segment_state
from diglot.storage.segment_steps import STEPS_KEPT
from diglot.storage.sql.engine import Engine, Row
from diglot.storage.tenant import Tenant, bind_workspace
from support import canonical
from support.membership.random_world import NOW

UTC = ZoneInfo("UTC")
ALL = "all"


class Loads:
    """What was loaded: the numbers of segments, or `ALL`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[object] = []
        self._load_all, self._load_some = segment_state.load_all, segment_state.load_some
        monkeypatch.setattr(segment_state, "load_all", self._note_all)
        monkeypatch.setattr(segment_state, "load_some", self._note_some)

    async def _note_all(self, tenant: Tenant) -> Sequence[Row]:
        self.made.append(ALL)
        return await self._load_all(tenant)

    async def _note_some(self, tenant: Tenant, numbers: Collection[int]) -> Sequence[Row]:
        self.made.append(set(numbers))
        return await self._load_some(tenant, numbers)

    def take(self) -> list[object]:
        """Return what was loaded since the last call."""
        taken, self.made = self.made, []
        return taken


def condition(written: dict[str, object]) -> Condition:
    """Return a condition in canonical words."""
    return Condition(canonical.read(written, "UTC"), OriginalText("canonical", "{}"))


def plan_is(operand: str) -> Condition:
    """Return a condition on one attribute."""
    return condition({"field": "attributes.plan", "operator": "equals", "operand": operand})


async def load(engine: Engine, workspace: int) -> ActiveSegments:
    """Return the active segments as a reader sees them."""

    async def read(tenant: Tenant) -> ActiveSegments:
        state = await workspaces.load_state(tenant)
        return await get_active_segments(tenant, state.segments_version, state.zone)

    return await engine.read(bind_workspace(workspace, read), workspace=workspace)


def all_of(active: ActiveSegments) -> tuple[object, ...]:
    """Return all that was read of the segments."""
    return (
        *(active.conditions, active.static_segments, active.stored_segments, active.pending_segments),
        *(active.segment_refs, active.list_refs, active.weight),
    )


async def test_a_change_loads_its_segment(engine: Engine, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process gets what one that loads everything gets, whatever happens to a segment."""
    workspace = await engine.write(partial(get_or_create_workspace, name="one", time_zone="UTC", now=NOW))
    caller = Caller(workspace.number, UTC, "key", frozenset())
    clock = iter(range(NOW, NOW + 1_000_000)).__next__
    segments = Segments(engine, clock)
    kept, other, gone, draft = [
        await segments.create(caller, NewSegment(f"s{n}", plan_is(f"p{n}"))) for n in range(4)
    ]
    loads = Loads(monkeypatch)
    process = create_engine(url)
    await process.open()
    cache = process.process_cache.of(CACHE)
    untouched = (await load(process, workspace.number)).conditions[kept.number]

    async def find_loaded() -> list[object]:
        loads.take()
        active = await load(process, workspace.number)
        made = loads.take()
        cache.clear()
        assert all_of(active) == all_of(await load(process, workspace.number))
        cache.put(workspace.number, active)
        return made

    await segments.update(caller, other.id, SegmentChange(condition=plan_is("other")))
    assert await find_loaded() == [{other.number}]
    await segments.update(caller, other.id, SegmentChange(name="renamed"))
    assert await find_loaded() == [{other.number}]
    await segments.delete(caller, gone.id)
    await segments.update(caller, draft.id, SegmentChange(condition=condition({"all": []})))
    assert await find_loaded() == [{gone.number, draft.number}]
    static = await segments.create(caller, NewSegment("static", plan_is("p0"), type=SegmentType.STATIC))
    assert await find_loaded() == [{static.number}]
    assert await find_loaded() == []
    assert (await load(process, workspace.number)).conditions[kept.number] is untouched
    for operand in map(str, range(STEPS_KEPT + 1)):
        await segments.update(caller, other.id, SegmentChange(condition=plan_is(operand)))
    assert await find_loaded() == [ALL]
    await process.close()
