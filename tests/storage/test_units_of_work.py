"""Transactions on SQLite: one hop to a thread each, none for a point read, all or nothing."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from itertools import islice
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import literal_column, select

from diglot.errors import NotFound
from diglot.storage import workspaces
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Transaction, UnitOfWork
from diglot.storage.sql.pool.sqlite.thread import ConnectionThread
from diglot.storage.sql.pool.sqlite.transaction import run_without_suspending
from diglot.storage.sql.pool.sqlite.units import (
    LONG_CPU_SECONDS,
    LONG_SECONDS,
    Commit,
    QueuedWrite,
    run_units,
)
from diglot.storage.sql.sqlite import SQLite
from diglot.storage.sql.statement import Statement
from support import engines

ONE = Statement(select(literal_column("1")))


@pytest_asyncio.fixture
async def engine() -> AsyncIterator[SQLite]:
    """Lend an engine on a fresh file."""
    async with engines.SQLITE.fresh() as url:
        engine = create_engine(url)
        assert isinstance(engine, SQLite)
        await engine.open()
        yield engine
        await engine.close()


@pytest.fixture
def hops(engine: SQLite, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record every hop of an open connection to its thread."""
    del engine
    noted: list[str] = []
    submit = ConnectionThread.submit

    def note(self: ConnectionThread, function: Callable[[ConnectionThread], Any]) -> Any:
        noted.append("hop")
        return submit(self, function)

    monkeypatch.setattr(ConnectionThread, "submit", note)
    return noted


def compute_long() -> None:
    """Compute for as long as a long unit."""
    until = time.thread_time() + 2 * max(LONG_SECONDS, LONG_CPU_SECONDS)
    while time.thread_time() < until:
        pass


async def three(transaction: Transaction) -> int:
    """Execute three statements in one transaction."""
    rows = [await transaction.fetch_one(ONE) for _ in range(3)]
    return sum(row[0] for row in rows if row is not None)


async def test_a_read_is_one_hop(engine: SQLite, hops: list[str]) -> None:
    """All statements of a transaction run on the thread of one connection."""
    assert await engine.read(three) == 3
    assert hops == ["hop"]


async def test_a_write_is_one_hop(engine: SQLite, hops: list[str]) -> None:
    """The hop includes the commit."""
    assert await engine.write(three) == 3
    assert hops == ["hop"]


async def test_a_point_read_stays_on_its_thread(engine: SQLite, hops: list[str]) -> None:
    """A point read is cheaper than a hop."""
    assert await engine.point_read(three) == 3
    assert hops == []


async def test_concurrent_writes_share_a_hop(engine: SQLite, hops: list[str]) -> None:
    """Concurrent writes share one commit."""
    assert await asyncio.gather(*(engine.write(three) for _ in range(20))) == [3] * 20
    assert hops == ["hop"]


async def test_a_short_write_waits_for_one_long_unit(engine: SQLite) -> None:
    """Long units of a workspace share a commit, until a unit of another workspace waits."""
    ran: list[str] = []
    begun, released = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def unit(name: str) -> UnitOfWork[bool]:
        async def run(transaction: Transaction) -> bool:
            loop.call_soon_threadsafe(begun.set)
            if name.startswith("long"):
                assert released.wait(30)
                compute_long()
            ran.append(name)
            return transaction.others_write

        return run

    async def begin(name: str, workspace: int) -> asyncio.Task[bool]:
        task = asyncio.create_task(engine.write(unit(name), workspace=workspace))
        await asyncio.sleep(0)
        return task

    released.set()
    assert not await engine.write(unit("long"), workspace=1)
    begun.clear()
    released.clear()
    units = [await begin(f"long {number}", 1) for number in range(3)]
    await begun.wait()
    # A unit of the workspace itself ends no commit.
    units.append(await begin("long 3", 1))
    short = await begin("short", 2)
    released.set()
    assert await short
    assert await asyncio.gather(*units) == [False, True, True, True]
    assert ran == ["long", "long 0", "short", "long 1", "long 2", "long 3"]


async def test_a_short_part_of_an_import_is_none_of_a_short_write(engine: SQLite) -> None:
    """After a short unit, a workspace that had a long one a moment ago still has commits of its own."""
    begun, released = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    ran: list[str] = []

    async def long(transaction: Transaction) -> None:
        del transaction
        compute_long()
        ran.append("long")

    async def holding(transaction: Transaction) -> None:
        del transaction
        loop.call_soon_threadsafe(begun.set)
        assert released.wait(30)
        ran.append("short part")

    async def short(transaction: Transaction) -> None:
        del transaction
        ran.append("short")

    await engine.write(long, workspace=1)
    await engine.write(three, workspace=1)
    holds = asyncio.create_task(engine.write(holding, workspace=1))
    parts = [asyncio.create_task(engine.write(long, workspace=1)) for _ in range(3)]
    await begun.wait()
    other = asyncio.create_task(engine.write(short, workspace=2))
    await asyncio.sleep(0)
    released.set()
    await asyncio.gather(holds, other, *parts)
    # The next long part may already be in the commit, but not a second one.
    assert ran.index("short") <= ran.index("short part") + 2


async def test_a_short_write_needs_no_turn_of_its_own(engine: SQLite) -> None:
    """While another process writes, it joins the units that already wait, before a long one of them."""
    url = f"sqlite:///{engine._path}"
    other = create_engine(url)
    await other.open()
    ran: list[str] = []
    begun, released = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def holding(transaction: Transaction) -> None:
        del transaction
        loop.call_soon_threadsafe(begun.set)
        assert released.wait(30)

    def unit(name: str) -> UnitOfWork[None]:
        async def run(transaction: Transaction) -> None:
            del transaction
            if name == "long":
                compute_long()
            ran.append(name)

        return run

    await engine.write(unit("long"), workspace=1)
    holds = asyncio.create_task(other.write(holding, workspace=3))
    await begun.wait()
    writes = [asyncio.create_task(engine.write(unit("long"), workspace=1)) for _ in range(3)]
    await asyncio.sleep(0.02)
    short = [asyncio.create_task(engine.write(unit("short"), workspace=2)) for _ in range(2)]
    await asyncio.sleep(0)
    assert engine.usage().pools["write"].waiting == 2
    released.set()
    await asyncio.gather(*short)
    assert ran == ["long", "short", "short"]
    await asyncio.gather(holds, *writes)
    assert ran == ["long", "short", "short", "long", "long", "long"]
    await other.close()


async def test_short_writes_keep_no_long_one_waiting() -> None:
    """A commit that ran only units that joined it is followed by one that runs another."""
    joining = deque[QueuedWrite]()
    loop = asyncio.get_running_loop()

    def queued(key: int) -> QueuedWrite:
        return QueuedWrite(three, key, loop.create_future(), 0.0)

    for may_give_way, keys in ((True, [2, 2]), (False, [2, 2, 1])):
        units = [queued(1), queued(1)]
        joining.extend([queued(2), queued(2)])
        commit = Commit(units, joining, may_give_way, lambda _: False)
        assert [unit.key for unit in commit.iterate()] == keys
        assert [unit.key for unit in units] == [1, 1, 2, 2]


async def test_a_long_write_gives_way_once(engine: SQLite, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if a commit of short units comes between its own."""
    loop, writer, ran = asyncio.get_running_loop(), engine._writer, list[str]()
    # They arrive while the commit of the long one waits for another process, and while it is synced.
    arriving = iter(
        [QueuedWrite(three, 2 + number % 2, loop.create_future(), loop.time()) for number in range(40)]
    )

    def run_between(thread: ConnectionThread, commit: Commit, *others: Any) -> bool:
        is_long = commit.units[0].key == 1
        if is_long:
            writer._joining.extend(islice(arriving, 1))
        others_wrote = run_units(thread, commit, *others)
        if is_long:
            writer._joining.extend(islice(arriving, 1))
        ran.append("long" if commit.units[0].key == 1 and commit.units[0].ran else "short")
        return others_wrote

    async def long(transaction: Transaction) -> None:
        del transaction
        compute_long()

    await engine.write(long, workspace=1)
    monkeypatch.setattr("diglot.storage.sql.pool.sqlite.writer.run_units", run_between)
    await engine.write(long, workspace=1)
    assert ran.index("long") <= 2, ran


async def test_a_unit_that_waits_is_a_short_one(engine: SQLite, hops: list[str]) -> None:
    """Beside busy threads and processes every unit takes long, and the units of all still share commits."""

    async def waiting(transaction: Transaction) -> None:
        del transaction
        time.sleep(2 * LONG_SECONDS)  # noqa: ASYNC251 - on the connection's thread

    await asyncio.gather(*(engine.write(waiting, workspace=number) for number in (1, 2)))
    del hops[:]
    await asyncio.gather(*(engine.write(waiting, workspace=number) for number in (1, 2)))
    assert hops == ["hop"]


async def test_a_failing_unit_is_rolled_back_alone(engine: SQLite) -> None:
    """The other units of the same commit keep their writes."""

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
    """The next reads find no open transaction."""

    async def failing(transaction: Transaction) -> None:
        await three(transaction)
        raise NotFound("thing")

    for _ in range(4):
        with pytest.raises(NotFound):
            await engine.read(failing)
    assert await engine.read(three) == 3


async def test_a_unit_may_await_nothing_else(engine: SQLite) -> None:
    """An await of anything else would block the thread for all, so it is an error."""

    async def sleeping(transaction: Transaction) -> None:
        await three(transaction)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="awaited something other than its transaction"):
        await engine.read(sleeping)
    assert await engine.read(three) == 3


async def answer() -> int:
    """Return immediately."""
    return 42


async def failure() -> int:
    """Raise immediately."""
    raise NotFound("thing")


def test_drive_returns_what_the_unit_returns() -> None:
    """It also raises what the unit raises."""
    assert run_without_suspending(answer()) == 42
    with pytest.raises(NotFound):
        run_without_suspending(failure())
