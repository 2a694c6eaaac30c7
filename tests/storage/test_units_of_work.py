"""Units of work on SQLite: one hop to a thread each, none for a glance, all or nothing."""

import asyncio
from collections.abc import AsyncIterator

import aiosqlite
import pytest
import pytest_asyncio
from sqlalchemy import literal_column, select

from diglot.errors import NotFound
from diglot.storage import workspaces
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Transaction
from diglot.storage.sql.sqlite import SQLite, run_without_suspending
from diglot.storage.sql.statement import Statement
from support import engines

ONE = Statement(select(literal_column("1")))


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[SQLite]:
    """Lend an engine on a fresh file."""
    async with engines.SQLITE.fresh() as url:
        found = create_engine(url)
        assert isinstance(found, SQLite)
        await found.open()
        yield found
        await found.close()


@pytest.fixture
def hops(engine: SQLite, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every hop of an open connection to its thread."""
    del engine
    noted: list[str] = []
    hop = aiosqlite.Connection._execute

    async def note(self: aiosqlite.Connection, function: object, *args: object, **named: object) -> object:
        noted.append("hop")
        return await hop(self, function, *args, **named)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(aiosqlite.Connection, "_execute", note)
    return noted


async def three(transaction: Transaction) -> int:
    """Run three statements in one unit."""
    rows = [await transaction.fetch_one(ONE) for _ in range(3)]
    return sum(row[0] for row in rows if row is not None)


async def test_a_read_is_one_hop(engine: SQLite, hops: list[str]) -> None:
    """All statements of a unit run on the thread of one connection."""
    assert await engine.read(three) == 3
    assert hops == ["hop"]


async def test_a_write_is_one_hop(engine: SQLite, hops: list[str]) -> None:
    """Its transaction included."""
    assert await engine.write(three) == 3
    assert hops == ["hop"]


async def test_a_glance_stays_on_its_thread(engine: SQLite, hops: list[str]) -> None:
    """A point read is cheaper than a hop."""
    assert await engine.point_read(three) == 3
    assert hops == []


async def test_writes_at_one_time_share_a_hop(engine: SQLite, hops: list[str]) -> None:
    """Concurrent writes pay for one commit together."""
    assert await asyncio.gather(*(engine.write(three) for _ in range(20))) == [3] * 20
    assert hops == ["hop"]


async def test_a_unit_that_fails_is_undone_alone(engine: SQLite) -> None:
    """Whoever shared the commit keeps what they wrote."""

    async def failing(transaction: Transaction) -> None:
        await workspaces.create(transaction, "undone", "UTC", 0)
        raise NotFound("thing")

    async def making(transaction: Transaction) -> None:
        await workspaces.create(transaction, "made", "UTC", 0)

    first, second = await asyncio.gather(engine.write(failing), engine.write(making), return_exceptions=True)
    assert isinstance(first, NotFound)
    assert second is None
    assert [made.name for made in await engine.read(workspaces.list_all)] == ["made"]


async def test_a_read_that_fails_leaves_its_connection(engine: SQLite) -> None:
    """The next reads find no transaction left open."""

    async def failing(transaction: Transaction) -> None:
        await three(transaction)
        raise NotFound("thing")

    for _ in range(4):
        with pytest.raises(NotFound):
            await engine.read(failing)
    assert await engine.read(three) == 3


async def test_a_unit_may_wait_for_nothing_else(engine: SQLite) -> None:
    """What suspends would block the thread for everybody: it is refused."""

    async def sleeping(transaction: Transaction) -> None:
        await three(transaction)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="awaited something other than its transaction"):
        await engine.read(sleeping)
    assert await engine.read(three) == 3


async def answer() -> int:
    """Return at once."""
    return 42


async def failure() -> int:
    """Raise at once."""
    raise NotFound("thing")


def test_drive_returns_what_the_unit_returns() -> None:
    """And raises what it raises."""
    assert run_without_suspending(answer()) == 42
    with pytest.raises(NotFound):
        run_without_suspending(failure())
