"""The log of a SQLite file is copied into it beside the writer, so that commits seldom have to."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import insert

from diglot.storage.connect import create_engine
from diglot.storage.schema import workspace_profiles
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.pool.sqlite import checkpoints
from diglot.storage.sql.pool.sqlite.checkpoints import ROWS, Checkpoints
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.sql.statement import Statement
from support.engines import SQLITE

_PROFILE = {"time_zone": "UTC", "created_at": 0, "password_hash": None}
_INSERT = Statement(insert(workspace_profiles))


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    """Lend a migrated file."""
    async with SQLITE.fresh() as lent:
        yield lent


async def add(engine: Engine, numbers: range) -> None:
    """Commit rows."""

    async def work(transaction: Transaction) -> None:
        rows = [{"workspace": number, "name": f"{number}", **_PROFILE} for number in numbers]
        await transaction.execute_many(_INSERT, rows)

    await engine.write(work)


def count_in_file(url: str, copy: Path) -> int:
    """Return how many rows are in the database itself, without its log."""
    shutil.copyfile(parse_sqlite_path(url), copy)
    with closing(sqlite3.connect(copy)) as connection:
        return int(connection.execute("SELECT count(*) FROM workspace_profiles").fetchone()[0])


async def test_the_log_is_copied_beside_the_writer(url: str, tmp_path: Path) -> None:
    """Long before SQLite would do it, whose log may have 1,000 pages."""
    engine = create_engine(url)
    await engine.open()
    await add(engine, range(1, ROWS))
    assert count_in_file(url, tmp_path / "before.db") == 0
    await add(engine, range(ROWS, 2 * ROWS))
    async with asyncio.timeout(30):
        while count_in_file(url, tmp_path / "after.db") == 0:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
    await engine.close()


async def test_a_new_connection_counts_anew(url: str) -> None:
    """The writer opens its connection anew, and its rows begin at 0 again."""
    followed = Checkpoints(parse_sqlite_path(url))
    begun: list[int] = []
    for rows in (10 * ROWS, 10 * ROWS + 1, 1, ROWS, 2 * ROWS):
        followed.follow(rows)
        if followed._running is not None:
            begun.append(rows)
        await followed.close()
    assert begun == [10 * ROWS, 2 * ROWS]


async def test_a_failing_checkpoint_harms_nobody(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log keeps what was not copied."""

    def fail(_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(checkpoints, "_checkpoint", fail)
    engine = create_engine(url)
    await engine.open()
    for first in range(1, 4):
        await add(engine, range(first * ROWS, (first + 1) * ROWS))
    await engine.close()


async def test_an_older_sqlite_copies_in_commits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that writes and another that copies could corrupt the file."""
    monkeypatch.setattr(checkpoints, "is_mended", lambda _: False)
    followed = Checkpoints(parse_sqlite_path(url))
    followed.follow(ROWS)
    assert followed._running is None
    await followed.close()


async def test_rows_of_small_commits_count_less(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They change the same pages again and again, which a later checkpoint copies once."""
    monkeypatch.setattr(checkpoints, "ROWS", 4)
    engine = create_engine(url)
    await engine.open()
    for number in range(1, 20):
        await add(engine, range(number, number + 1))
    assert count_in_file(url, tmp_path / "before.db") == 0
    await add(engine, range(20, 21))
    async with asyncio.timeout(30):
        while count_in_file(url, tmp_path / "after.db") < 20:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
    await engine.close()
