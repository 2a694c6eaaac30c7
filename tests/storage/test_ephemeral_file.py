"""A damaged file of ephemeral tables is created again: at the start, while serving, by several processes."""

import asyncio
import multiprocessing
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, Final

import pytest

from diglot.errors import Misconfigured
from diglot.service.access.rate_limits import Rate, RateLimits
from diglot.storage.background import leases
from diglot.storage.background.leases import Lease
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from support.engines import SQLITE

PAGE: Final = 4096
MANY: Final = Rate(1_000)
PROCESSES: Final = 3
TIMES: Final = 20


def overwrite(file: Path, offset: int, content: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(content)


def cut(file: Path, size: int) -> None:
    with file.open("r+b") as opened:
        opened.truncate(size)


def replace_tables(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("DROP TABLE rate_counts")
        connection.execute("CREATE TABLE rate_counts (key TEXT PRIMARY KEY, requests INTEGER)")


DAMAGES: Final[dict[str, Callable[[Path], None]]] = {
    "no database": lambda file: overwrite(file, 0, b"no database" * PAGE),
    "page 1 zeroed": lambda file: overwrite(file, 0, bytes(PAGE)),
    "page 2 zeroed": lambda file: overwrite(file, PAGE, bytes(PAGE)),
    "page 3 zeroed": lambda file: overwrite(file, 2 * PAGE, bytes(PAGE)),
    "all but the first page zeroed": lambda file: overwrite(file, PAGE, bytes(file.stat().st_size - PAGE)),
    "cut after the first page": lambda file: cut(file, PAGE),
    "cut in the second page": lambda file: cut(file, PAGE + 512),
    "torn in a page": lambda file: overwrite(file, 2 * PAGE, b"\xff" * 512),
    "torn in the first page": lambda file: overwrite(file, 512, b"\xff" * (PAGE - 512)),
    "tables of another version": replace_tables,
}
each_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())


def flush(file: Path) -> None:
    """Write the write-ahead log into the file, and make every connection read the file again."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS flushed (at)")
        connection.execute("INSERT INTO flushed VALUES (1)")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def delete(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{file}{suffix}").unlink()


def ephemeral(url: str) -> Path:
    return Path(f"{parse_sqlite_path(url)}-ephemeral")


async def count(engine: Engine, key: str = "key") -> int:
    """Count a request of a key; return the count in the file."""
    allowance = await RateLimits(engine, lambda: 0).consume(key, "bucket", MANY)
    assert allowance is not None
    return MANY.requests - allowance.remaining


async def lease(engine: Engine) -> bool:
    return await engine.run_ephemeral(lambda tx: leases.take(tx, Lease("work", "holder", 1), 0))


async def opened(stack: AsyncExitStack, url: str) -> Engine:
    engine = create_engine(url)
    await engine.open()
    stack.push_async_callback(engine.close)
    return engine


def warnings(caplog: pytest.LogCaptureFixture, url: str) -> list[str]:
    return [message for message in caplog.messages if str(ephemeral(url)) in message]


@each_damage
async def test_damage_is_repaired_at_the_start(
    damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The process that opens the file first creates it again, warns once, and leaves the main file alone."""
    async with SQLITE.fresh() as url, AsyncExitStack() as stack:
        async with AsyncExitStack() as before:
            engine = await opened(before, url)
            assert (await count(engine), await count(engine), await lease(engine)) == (1, 2, True)
        main = parse_sqlite_path(url).read_bytes()
        damage(ephemeral(url))
        first, second = await opened(stack, url), await opened(stack, url)
        assert [await count(first), await count(second)] == [1, 2]
        assert await lease(second)
        assert len(warnings(caplog, url)) == 1
        assert parse_sqlite_path(url).read_bytes() == main


@each_damage
@pytest.mark.parametrize("begin", [count, lease], ids=["counts", "leases"])
async def test_damage_is_repaired_while_serving(
    damage: Callable[[Path], None],
    begin: Callable[[Engine], Awaitable[object]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """No request fails: counts and leases go on in one new file if any of them met the damage."""
    async with SQLITE.fresh() as url, AsyncExitStack() as stack:
        engine = await opened(stack, url)
        await count(engine), await lease(engine)
        flush(ephemeral(url))
        damage(ephemeral(url))
        assert await begin(engine)
        assert await count(engine, "another") == 1
        assert await lease(engine)
        assert len(warnings(caplog, url)) == 1


@each_damage
async def test_two_engines_continue_with_one_new_file(
    damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The engine that did not repair the file follows the one that did, and its close deletes nothing new."""
    async with SQLITE.fresh() as url, AsyncExitStack() as stack:
        first, second = await opened(stack, url), create_engine(url)
        await second.open()
        await count(first), await count(second), await lease(first)
        flush(ephemeral(url))
        damage(ephemeral(url))
        await lease(first), await count(second), await lease(second)
        counted = [await count(each, "another") for each in (first, second, first, second)]
        assert counted == [1, 2, 3, 4]
        assert len(warnings(caplog, url)) == 1
        await second.close()
        assert await count(first, "another") == 5
        third = await opened(stack, url)
        assert await count(third, "another") == 6


async def test_a_file_deleted_while_serving_is_created_again() -> None:
    """Two engines would count separately if one of them stayed with the deleted file."""
    async with SQLITE.fresh() as url, AsyncExitStack() as stack:
        first, second = await opened(stack, url), await opened(stack, url)
        await count(first)
        delete(ephemeral(url))
        assert [await count(each) for each in (first, second, first)] == [1, 2, 3]


async def test_an_error_that_is_no_damage_deletes_nothing() -> None:
    """An invalid statement or a lock says nothing about the file."""
    async with SQLITE.fresh() as url, AsyncExitStack() as stack:
        engine: Any = await opened(stack, url)
        inode = ephemeral(url).stat().st_ino

        def fail(connection: sqlite3.Connection) -> None:
            connection.execute("SELECT absent FROM ephemeral.rate_counts")

        with pytest.raises(sqlite3.OperationalError, match="no such column"):
            engine._ephemeral.run(fail)
        assert ephemeral(url).stat().st_ino == inode


async def test_a_file_that_cannot_be_created_stops_the_start() -> None:
    """The message names this file, not the main one."""
    async with SQLITE.fresh() as url:
        ephemeral(url).mkdir()
        with pytest.raises(Misconfigured, match=r"diglot\.db-ephemeral' cannot be opened"):
            await create_engine(url).open()


def serve(url: str, barrier: Any) -> None:
    """Meet the damage together with the other processes, then count requests in the file that all share."""

    async def work() -> None:
        async with AsyncExitStack() as stack:
            engine = await opened(stack, url)
            await count(engine, "before")
            barrier.wait()
            barrier.wait()
            await count(engine, "meanwhile")
            barrier.wait()
            for _ in range(TIMES):
                await count(engine, "after")

    asyncio.run(work())


async def test_processes_that_repair_at_once_share_the_new_file() -> None:
    """Each request after the damage is counted once, whichever process created the new file."""
    spawned = multiprocessing.get_context("spawn")
    barrier = spawned.Barrier(PROCESSES + 1, timeout=60)
    async with SQLITE.fresh() as url:
        processes = [spawned.Process(target=serve, args=(url, barrier)) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        barrier.wait()
        flush(ephemeral(url))
        overwrite(ephemeral(url), 0, bytes(ephemeral(url).stat().st_size))
        barrier.wait()
        barrier.wait()
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0] * PROCESSES
        async with AsyncExitStack() as stack:
            assert await count(await opened(stack, url), "after") == PROCESSES * TIMES + 1
