"""SQLite fails: the engine says why, refuses what it cannot keep, and recovers by itself."""

import asyncio
import logging
import os
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from diglot.errors import (
    DatabaseBusy,
    DatabaseDamaged,
    DeadlineExceeded,
    StorageFull,
    Unavailable,
)
from diglot.storage import workspaces
from diglot.storage.connect import create_engine, find_file, open_engine
from diglot.storage.sql.engine import Limits, Transaction
from diglot.storage.sql.pool.sqlite import thread
from diglot.storage.sql.pool.sqlite.thread import ConnectionThread
from diglot.storage.sql.sqlite import SQLite
from diglot.storage.sql.sqlite_file import PAGE_SIZE
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.sql.statement import Statement
from support import engines

LIMITS = Limits(read_seconds=0.5, wait_seconds=1)
# Takes minutes unless something ends it.
ENDLESS = Statement(
    text("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n WHERE i < 0")
)


@pytest_asyncio.fixture
async def path() -> AsyncIterator[Path]:
    """Lend a migrated file."""
    async with engines.SQLITE.fresh() as url:
        yield find_file(url)


@pytest_asyncio.fixture
async def engine(path: Path) -> AsyncIterator[SQLite]:
    """Lend an engine with short limits."""
    async with opened(path) as engine:
        yield engine


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SQLite]:
    """Lend an engine on a file."""
    engine = create_engine(str(path), LIMITS)
    assert isinstance(engine, SQLite)
    await engine.open()
    yield engine
    await engine.close()


def creating(name: str, *, seconds: float = 0) -> Callable[[Transaction], Any]:
    """Return a unit that creates a workspace and takes some time."""

    async def work(transaction: Transaction) -> None:
        await workspaces.create(transaction, name, "UTC", 0)
        time.sleep(seconds)  # noqa: ASYNC251 - a unit runs on the thread of its connection

    return work


async def names(engine: SQLite) -> list[str]:
    """Return the names of the workspaces in the file."""
    return [made.name for made in await engine.read(workspaces.list_all)]


def move_away(path: Path) -> Path:
    """Move the file of a running engine, and return where it is."""
    return path.rename(path.with_name("away.db"))


def overwrite(path: Path, offset: int, size: int) -> None:
    """Overwrite a part of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * size)


def modes_in(folder: Path) -> dict[str, int]:
    """Return the permissions of each file."""
    return {item.name: stat.S_IMODE(item.stat().st_mode) for item in folder.iterdir()}


async def endless(transaction: Transaction) -> None:
    """Read without end."""
    await transaction.fetch_one(ENDLESS)


async def test_a_file_that_is_deleted_takes_no_writes(
    engine: SQLite, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A write to a deleted file would be lost, so it is refused until the file is back."""
    await engine.write(creating("before"))
    away = move_away(path)
    with pytest.raises(DatabaseDamaged, match="deleted or moved"):
        await engine.write(creating("lost"))
    with pytest.raises(DatabaseDamaged):
        await engine.ping()
    assert "was deleted or moved while in use" in caplog.text
    assert await names(engine) == ["before"]
    away.rename(path)
    await engine.write(creating("after"))
    await engine.ping()
    assert await names(engine) == ["after", "before"]


async def test_a_file_that_is_replaced_takes_no_writes(engine: SQLite, path: Path) -> None:
    """A backup that is laid over a live file is noticed before anything is acknowledged."""
    await engine.write(creating("before"))
    copy = path.with_name("copy.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    copy.replace(path)
    with pytest.raises(DatabaseDamaged, match="replaced by another file"):
        await engine.write(creating("lost"))
    with pytest.raises(DatabaseDamaged, match="replaced by another file"):
        await engine.ping()


async def test_a_ping_recovers(engine: SQLite, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ping that could not open the file, for example because no file was free, opens it the next time."""

    def fail(*_: object, **__: object) -> None:
        sqlite3.connect(path / "no folder")

    with monkeypatch.context() as broken:
        broken.setattr(thread, "open_connection", fail)
        with pytest.raises(Unavailable, match="unable to open"):
            await engine.ping()
    await engine.ping()


async def test_a_full_disk_takes_no_writes_and_recovers(engine: SQLite) -> None:
    """Reads go on; writes are refused until there is space, and each is all or nothing."""
    await engine.write(creating("before"))
    await on_writer(engine, "PRAGMA max_page_count=1")
    with pytest.raises(StorageFull, match="full"):
        await engine.write(creating("x" * 200_000))
    assert await names(engine) == ["before"]
    await on_writer(engine, "PRAGMA max_page_count=1000000")
    await engine.write(creating("after"))
    assert await names(engine) == ["after", "before"]


async def on_writer(engine: SQLite, statement: str) -> None:
    """Execute a statement on the connection that writes."""
    thread = engine._writer._thread
    assert thread is not None
    await thread.submit(lambda thread: thread.connection.execute(statement).fetchall())


async def test_a_damaged_page_is_no_bug(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A malformed page is a 503 with a line in the log, whichever page it is."""
    async with opened(path) as engine:
        for number in range(50):
            await engine.write(creating(f"{number} {'x' * 2_000}"))
    root_of = "SELECT rootpage FROM sqlite_master WHERE name = 'workspace_profiles'"
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute(root_of).fetchone()[0]
    overwrite(path, (root - 1) * PAGE_SIZE, PAGE_SIZE)
    async with opened(path) as engine:
        with pytest.raises(DatabaseDamaged, match="malformed"):
            await engine.read(workspaces.list_all)
        with pytest.raises(DatabaseDamaged, match="malformed"):
            await engine.write(creating("lost"))
        assert engine.usage().errors == {"damaged": 2}
    assert caplog.text.count("malformed") == 1, "one line a second for a kind of failure"


async def test_a_lock_of_another_process_is_a_short_wait(engine: SQLite, path: Path) -> None:
    """Each write waits for its own time only, and the next one after the lock is not stuck behind it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        first = asyncio.ensure_future(engine.write(creating("first")))
        await asyncio.sleep(0.5)
        second = asyncio.ensure_future(engine.write(creating("second")))
        with pytest.raises(DatabaseBusy, match="another process holds the lock"):
            await first
        assert time.monotonic() - began < 5
        other.execute("ROLLBACK")
        await asyncio.wait_for(second, 5)
    assert await names(engine) == ["second"]


async def test_a_long_read_ends(engine: SQLite) -> None:
    """A read ends at its deadline, and its reader serves the next one."""
    for _ in range(6):
        with pytest.raises(DeadlineExceeded, match=r"after 0\.5 s"):
            await engine.read(endless)
    assert await names(engine) == []
    assert engine.usage().pools["read"].in_use == 0
    assert engine.usage().errors == {"deadline": 6}


async def test_background_work_has_no_deadline(engine: SQLite) -> None:
    """A read in the background runs on, without a reader of anybody else."""
    reading = asyncio.ensure_future(engine.in_background().read(endless))
    await asyncio.sleep(1.2)
    assert not reading.done()
    assert await names(engine) == []
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    async with asyncio.timeout(5):
        while engine.usage().pools["read"].in_use:  # noqa: ASYNC110 - the engine has no event for it
            await asyncio.sleep(0.01)


async def test_a_request_that_leaves_frees_its_reader(engine: SQLite) -> None:
    """A cancelled read is interrupted; nobody waits for its end."""
    for _ in range(8):
        reading = asyncio.ensure_future(engine.in_background().read(endless))
        await asyncio.sleep(0.02)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    assert await asyncio.wait_for(names(engine), 5) == []


async def test_long_reads_of_one_workspace_leave_readers_to_others(engine: SQLite) -> None:
    """Twenty scans of one workspace are a queue of their own."""
    scans = [asyncio.ensure_future(engine.read(endless, workspace=1)) for _ in range(20)]
    await asyncio.sleep(0.1)
    for workspace in range(2, 30):
        await engine.read(workspaces.list_all, workspace=workspace)
    assert not any(scan.done() for scan in scans[2:]), "the others did not wait for the scans"
    ended = await asyncio.gather(*scans, return_exceptions=True)
    assert {type(error) for error in ended} <= {DeadlineExceeded, DatabaseBusy}


async def test_a_short_write_waits_for_one_long_one(engine: SQLite) -> None:
    """Ten long writes of one workspace are not one commit that a short one of another has to wait for."""
    order: list[str] = []

    async def write(name: str, workspace: int, seconds: float) -> None:
        await engine.write(creating(name, seconds=seconds), workspace=workspace)
        order.append(name)

    long_ones = [asyncio.ensure_future(write(f"a{number}", 1, 0.1)) for number in range(10)]
    await asyncio.sleep(0.15)
    await write("b", 2, 0)
    await asyncio.gather(*long_ones)
    assert order.index("b") <= 4
    assert order[-1] == "a9"


async def test_a_long_unit_does_not_slow_the_short_ones_after_it(engine: SQLite) -> None:
    """A workspace that is taken for one of long units has all its short ones in one commit nevertheless."""
    order: list[str] = []

    def computing(name: str, seconds: float) -> Callable[[Transaction], Any]:
        async def work(transaction: Transaction) -> None:
            del transaction
            end = time.thread_time() + seconds
            while time.thread_time() < end:
                pass
            order.append(name)

        return work

    await engine.write(computing("long", 0.06), workspace=2)
    long_ones = [engine.write(computing(f"a{number}", 0.06), workspace=1) for number in range(8)]
    short_ones = [engine.write(computing(f"b{number}", 0), workspace=2) for number in range(8)]
    await asyncio.gather(*long_ones, *short_ones)
    places = [order.index(f"b{number}") for number in range(8)]
    assert places == list(range(places[0], places[0] + 8))


async def test_the_units_of_a_workspace_keep_their_order(engine: SQLite) -> None:
    """Units that a full commit leaves for the next one run before those that came later."""
    order: list[int] = []

    def noting(number: int) -> Callable[[Transaction], Any]:
        async def work(transaction: Transaction) -> None:
            del transaction
            time.sleep(0.011)  # noqa: ASYNC251 - a unit runs on the thread of its connection
            order.append(number)

        return work

    await asyncio.gather(*(engine.write(noting(number), workspace=number % 2) for number in range(40)))
    assert [number for number in order if number % 2] == list(range(1, 40, 2))
    assert [number for number in order if not number % 2] == list(range(0, 40, 2))


async def test_statements_of_conditions_do_not_pile_up(
    engine: SQLite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection is opened anew before its prepared statements take much memory, and goes on to read."""
    opened_connections = 0
    monkeypatch.setattr(thread, "MAX_LARGE_SQL", 50_000)

    def count(self: ConnectionThread, transaction: Any) -> None:
        nonlocal opened_connections
        before = self.connection
        bound(self, transaction)
        opened_connections += self.connection is not before

    bound = ConnectionThread.bound_statements
    monkeypatch.setattr(ConnectionThread, "bound_statements", count)
    for number in range(20):
        statement = Statement(text(f"SELECT {number} /* {'x' * 10_000} */"))
        for _ in range(3):
            row = await engine.read(lambda tx, asked=statement: tx.fetch_one(asked))  # type: ignore[misc]
            assert row is not None
            assert tuple(row) == (number,)
    assert opened_connections == 4


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_files_are_private(tmp_path: Path, umask: int) -> None:
    """Nobody else on the machine reads contacts, whatever the umask says."""
    path = tmp_path / "new.db"
    before = os.umask(umask)
    try:
        async with open_engine(str(path)) as engine:
            await engine.write(creating("one"))
            modes = modes_in(tmp_path)
    finally:
        os.umask(before)
    ephemeral = ("-ephemeral", "-ephemeral-wal", "-ephemeral-shm", "-ephemeral-counts", "-ephemeral-turns")
    kinds = ("", "-wal", "-shm", *ephemeral)
    assert modes == {f"new.db{kind}": 0o600 for kind in kinds}


async def test_failures_are_logged_in_a_bounded_rate(
    engine: SQLite, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A thousand failures of one kind in a second are one line, and the next one counts the rest."""
    caplog.set_level(logging.WARNING)
    move_away(path)

    async def fail() -> None:
        with pytest.raises(Unavailable):
            await engine.write(creating("lost"))

    began = time.monotonic()
    await asyncio.gather(*(fail() for _ in range(300)))
    lines = len(caplog.records)
    assert lines <= 1 + (time.monotonic() - began)
    await asyncio.sleep(1.1)
    await fail()
    assert "more like this were not logged" in caplog.text
    assert engine.usage().errors["damaged"] == 301
