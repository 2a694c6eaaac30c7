"""Memberships by computed fields and the operators of time are kept current, to the microsecond."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import dates
from diglot.model.contacts import ContactChange
from diglot.model.segments import Condition, OriginalText
from diglot.service.access.workspaces import Workspaces
from diglot.service.audience.segments import NewSegment, Segments
from diglot.storage.contacts import instants
from support import canonical
from support.membership.membership_checks import ALL_ROWS
from support.membership.random_world import World

HOUR = 3_600 * dates.SECOND
BORN = "2000-03-08"


def instant(text: str, zone: str = "UTC") -> int:
    parsed = dates.parse(text)
    assert parsed is not None
    return parsed.to_instant(ZoneInfo(zone))


@dataclass
class Scene:
    """A world with a segment, whose members are read at instants."""

    world: World
    segment: str = ""

    async def create(self, rule: dict[str, Any]) -> None:
        new = NewSegment("s", Condition(canonical.read(rule), OriginalText("canonical", "{}")))
        created = await Segments(self.world.engine, self.world.clock).create(self.world.caller, new)
        self.segment = created.id
        self.world.segments.append(created.id)

    async def contact(self, email: str, values: dict[str, Any], attributes: dict[str, Any]) -> str:
        change = ContactChange({"email": email, **values}, attributes)
        created = await self.world.contacts().create(self.world.caller, change)
        self.world.ids.append(created.id)
        return created.id

    async def count_at(self, at: int) -> int:
        """Return the number of members at an instant, in both processes and with the clock brought to it."""
        counts = set()
        for engine in self.world.engines:
            segments = Segments(engine, lambda: at)
            counts.add((await segments.get_with_count(self.world.caller, self.segment)).count)
            counts.add((await segments.list_member_ids(self.world.caller, self.segment, ALL_ROWS))[1].total)
        self.world.now = at
        (count,) = counts
        return count


@pytest.fixture
def scene(world: World) -> Scene:
    return Scene(world)


RULES = [
    # Each with the distances from an instant at which a contact enters and leaves.
    ("in_next_days", 7, -7 * dates.DAY, 1),
    ("in_next_days", 0, 0, 1),
    ("in_next_hours", 5, -5 * HOUR, 1),
    ("in_last_hours", 5, 0, 5 * HOUR + 1),
    ("more_than_hours_ago", 5, 5 * HOUR + 1, None),
]


@pytest.mark.parametrize(("operator", "operand", "enters", "leaves"), RULES)
@pytest.mark.parametrize("field", ["last_opened_at", "attributes.renews"])
async def test_a_contact_enters_and_leaves_to_the_microsecond(  # noqa: PLR0913, PLR0917 - a scene and a rule
    scene: Scene, field: str, operator: str, operand: int, enters: int, leaves: int | None
) -> None:
    """By time alone, as the next change of the segment says; the world compares all with full evaluations."""
    at = scene.world.now + 30 * dates.DAY
    await scene.create({"field": field, "operator": operator, "operand": operand})
    if field == "last_opened_at":
        await scene.contact("a@example.com", {field: at}, {})
    else:
        await scene.contact("a@example.com", {}, {"renews": dates.format_instant(at)})
    assert await scene.count_at(at + enters - 1) == 0
    assert await scene.count_at(at + enters) == 1
    await scene.world.check()
    if leaves is not None:
        assert await scene.count_at(at + leaves - 1) == 1
        assert await scene.count_at(at + leaves) == 0
        await scene.world.check()
    assert await scene.count_at(at + 400 * dates.DAY) == (leaves is None)


@pytest.mark.parametrize("field", ["anniversary.attributes.born", "anniversary.last_opened_at"])
async def test_an_anniversary_changes_at_midnight(scene: Scene, field: str) -> None:
    """In the workspace's zone, for contacts that were there before the segment and that came later."""
    zone = ZoneInfo("America/New_York")
    await Workspaces(scene.world.engine, scene.world.clock).set_time_zone("one", zone.key)
    values = {"last_opened_at": instant(BORN, zone.key)}
    await scene.contact("a@example.com", values, {"born": BORN})
    await scene.contact("b@example.com", {}, {"born": "8 March"})
    await scene.create({"field": field, "operator": "lte", "operand": 2})
    await scene.contact("c@example.com", values, {"born": f"{BORN}T23:59:59"})
    enters, leaves = instant("2026-03-06", zone.key), instant("2026-03-09", zone.key)
    assert await scene.count_at(enters - 1) == 0
    assert await scene.count_at(enters) == 2
    await scene.world.check()
    assert await scene.count_at(leaves - 1) == 2
    assert await scene.count_at(leaves) == 0
    await scene.world.check()
    assert await scene.count_at(instant("2027-03-08", zone.key)) == 2
    await scene.world.verify()


async def test_an_anniversary_follows_writes_and_the_zone(scene: Scene) -> None:
    """A contact whose date changes moves at once, and all do after a change of the zone."""
    world = scene.world
    await scene.create({"field": "anniversary.attributes.born", "operator": "equals", "operand": 0})
    id_ = await scene.contact("a@example.com", {}, {"born": BORN})
    noon = instant("2026-03-08T12:00:00Z")
    assert await scene.count_at(noon) == 1
    for born, expected in (("2000-03-09", 0), ("1999-03-08T11:00:00Z", 1), (None, 0), (["2000-03-08"], 0)):
        await world.contacts().update(world.caller, id_, ContactChange({}, {"born": born}))
        assert await scene.count_at(world.now) == expected
    change = ContactChange({}, {"born": "1999-03-08T11:00:00Z"})
    await world.contacts().update(world.caller, id_, change)
    # It is the ninth already in Apia, and still the eighth in Kolkata.
    for zone, expected in (("Pacific/Apia", 0), ("Asia/Kolkata", 1)):
        await Workspaces(world.engine, world.clock).set_time_zone("one", zone)
        assert await scene.count_at(world.now) == expected
    await world.check()
    await world.verify()


async def test_a_sample_is_constant(scene: Scene) -> None:
    """What a sample has depends on ids alone, in pages of any length."""
    ids = [await scene.contact(f"p{n}@example.com", {}, {}) for n in range(40)]
    await scene.create({"field": "sample.x", "operator": "lt", "operand": 50})
    before = await scene.count_at(scene.world.now)
    assert 5 < before < 35
    for id_ in ids[::2]:
        change = ContactChange({"first_name": "x"}, {"x": 1})
        await scene.world.contacts().update(scene.world.caller, id_, change)
    assert await scene.count_at(scene.world.now + 100 * dates.DAY) == before
    await scene.world.check()


async def test_pages_of_keys(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contacts are read in pages, of which each begins after the last."""
    monkeypatch.setattr(instants, "ROWS_PER_PAGE", 7)
    for number in range(20):
        await scene.contact(f"p{number}@example.com", {}, {"born": BORN if number % 2 else "x"})
    for field in ("sample", "anniversary.attributes.born", "anniversary.created_at"):
        await scene.create({"field": field, "operator": "gte", "operand": 0})
        assert await scene.count_at(scene.world.now) == (10 if "born" in field else 20)
    await scene.world.check()
