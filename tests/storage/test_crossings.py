"""Many relative dates at once: who crosses them between two instants, and when time flips the next one."""

from collections.abc import Mapping, Sequence
from random import Random
from zoneinfo import ZoneInfo

import pytest

from diglot.conditions import dates, tree
from diglot.conditions.relative_dates import (
    NEVER,
    RelativeDate,
    RelativeInstant,
    next_flip,
    next_midnight,
    windows_crossed,
)
from diglot.conditions.tree import Op
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.storage.membership import crossings, instant_index
from diglot.storage.membership.instant_index import IndexedInstant
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace
from support.engines import SQLITE, Database
from support.statements import recording

ZONE = ZoneInfo("Europe/Berlin")
NOW = 1_800_000_000 * dates.SECOND
FIELDS = ("created_at", "last_opened_at", "events.seen.newest.1")
OPERATORS = (Op.IN_LAST_DAYS, Op.IN_NEXT_DAYS, Op.MORE_THAN_DAYS_AGO, Op.EXACTLY_DAYS_AGO)
# More than are asked by one statement.
DATES: list[RelativeDate] = [
    RelativeInstant(field, op, tree.Days(days))
    for field in FIELDS
    for op in OPERATORS
    for days in range(1, 8)
]


def draw_instants(rng: Random, fields: tuple[str, ...]) -> list[IndexedInstant]:
    """Return instants around now, some of them exactly on a bound."""
    near = [NOW + days * dates.DAY + off for days in range(-8, 9) for off in (-1, 0, 1)]
    return sorted(
        {
            (
                field,
                pk,
                rng.choice(near) if rng.random() < 0.5 else NOW + rng.randrange(-9, 9) * dates.DAY // 7,
            )
            for field in fields
            for pk in range(40)
        }
    )


@pytest.mark.parametrize("seed", range(4))
async def test_all_at_once(engine: Engine, seed: int) -> None:
    """The answers are those that the instants of all contacts give; a field without any has none."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", 0))
    rng = Random(seed)
    instants = draw_instants(rng, FIELDS[:2])
    until = NOW + rng.choice((1, dates.SECOND, dates.DAY, 3 * dates.DAY))

    async def find(tenant: Tenant, relative_dates: Sequence[RelativeDate]) -> set[int]:
        found, crowded = await crossings.find_crossing(tenant, relative_dates, (NOW, until), ZONE, 1_000)
        assert not crowded
        return set(found)

    async def ask(tenant: Tenant) -> tuple[Mapping[RelativeDate, set[int]], Mapping[RelativeDate, int]]:
        crossing = {one: await find(tenant, [one]) for one in DATES}
        assert await find(tenant, DATES) == set[int]().union(*crossing.values())
        return crossing, await crossings.find_next_flips(tenant, DATES, NOW, ZONE)

    await engine.write(bind_workspace(workspace.number, lambda tenant: instant_index.add(tenant, instants)))
    crossing, flips = await engine.read(bind_workspace(workspace.number, ask))
    assert list(flips) == DATES
    for one in DATES:
        values = sorted(instant for field, _, instant in instants if field == one.field)
        assert flips[one] == next_flip(one, values, NOW, ZONE)
        spans = list(windows_crossed(one, NOW, until, ZONE))
        assert crossing[one] == {
            pk
            for field, pk, instant in instants
            if field == one.field and any(begin <= instant < end for begin, end in spans)
        }
    assert {flips[one] for one in DATES if one.field == FIELDS[2]} == {NEVER, next_midnight(NOW, ZONE)}


@pytest.mark.parametrize(
    ("instants", "found"),
    [
        ([(pk, 0) for pk in range(5)], {0, 1, 2, 3, 4}),
        ([(pk, 0) for pk in range(6)], None),
        ([(7, offset) for offset in range(5)], {7}),
        # One contact may have all the rows that are read.
        ([(7, offset) for offset in range(6)] + [(8, 9)], None),
        ([(7, -dates.DAY + offset) for offset in range(3)] + [(7, offset) for offset in range(3)], None),
    ],
)
@pytest.mark.parametrize("few", [1, 3, 500])
async def test_more_than_are_wanted(
    engine: Engine,
    instants: list[tuple[int, int]],
    found: set[int] | None,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is told of a relative date that more instants cross, because some would be left out.

    It does not matter how many of its instants the first statement reads.
    """
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", 0))
    rows = [(FIELDS[0], pk, NOW + offset) for pk, offset in instants] + [(FIELDS[1], 99, NOW)]
    exactly, other = (RelativeInstant(field, Op.EXACTLY_DAYS_AGO, tree.Days(1)) for field in FIELDS[:2])

    async def ask(tenant: Tenant) -> None:
        span = NOW, NOW + dates.DAY
        pks, crowded = await crossings.find_crossing(tenant, [exactly, other], span, ZONE, 5)
        assert set(pks) == {99, *(found or ())}
        assert set(crowded) == (set() if found else {exactly})

    monkeypatch.setattr(crossings, "_FEW", few)
    await engine.write(bind_workspace(workspace.number, lambda tenant: instant_index.add(tenant, rows)))
    await engine.read(bind_workspace(workspace.number, ask))


async def test_the_statements(database: Database, engine: Engine) -> None:
    """A server is asked about all at once, because each statement is a round trip."""
    workspace = await engine.write(lambda tx: get_or_create_workspace(tx, "one", "UTC", 0))
    few = [one for one in DATES if one.offsets is not None][:20]

    async def ask(tenant: Tenant) -> None:
        await crossings.find_crossing(tenant, few, (NOW, NOW + 1), ZONE, 9)
        await crossings.find_next_flips(tenant, few, NOW, ZONE)

    with recording() as statements:
        await engine.read(bind_workspace(workspace.number, ask))
    assert (len(statements) == 2) is (database is not SQLITE)
