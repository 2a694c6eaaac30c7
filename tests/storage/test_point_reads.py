"""The mark of what is committed: equal only while nobody commits, whoever it is; a request asks once."""

from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import insert, literal, select

from diglot.errors import DatabaseDamaged
from diglot.request_record import RequestRecord, current_request
from diglot.storage.connect import create_engine
from diglot.storage.schema import workspace_profiles
from diglot.storage.sql.engine import Engine, NestedEngine, Transaction
from diglot.storage.sql.sqlite import SQLite
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.sql.sqlite_module import sqlite3
from diglot.storage.sql.statement import Statement
from support.engines import SQLITE, Database

_PROFILE = {"time_zone": "UTC", "created_at": 0, "password_hash": None}
_INSERT = Statement(insert(workspace_profiles))
_ONE = Statement(select(literal(1)))


async def add(engine: Engine, number: int) -> None:
    """Commit a row."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(_INSERT, {"workspace": number, "name": f"{number}", **_PROFILE})

    await engine.write(work)


@contextmanager
def request() -> Iterator[RequestRecord]:
    """Do as in a request."""
    record = RequestRecord("one")
    token = current_request.set(record)
    yield record
    current_request.reset(token)


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    """Lend a migrated file."""
    async with SQLITE.fresh() as lent:
        yield lent


@pytest_asyncio.fixture
async def other(url: str) -> AsyncIterator[Engine]:
    """Lend another engine of the file, as another process has."""
    opened = create_engine(url)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_mark_changes_with_each_commit(engine: Engine, other: Engine, url: str) -> None:
    """Whether this process commits, another one, or a tool that is not ours; a rollback is no commit."""
    marks = [engine.commit_mark()]
    assert marks[0] is not None

    def is_new() -> bool:
        marks.append(engine.commit_mark())
        return marks[-1] not in marks[:-1]

    assert not is_new()
    for number, writer in enumerate((engine, other, engine), 1):
        await add(writer, number)
        assert is_new()
        assert not is_new()
    with closing(sqlite3.connect(parse_sqlite_path(url), isolation_level=None)) as tool:
        tool.execute("UPDATE workspace_profiles SET name = 'x' WHERE workspace = 1")
        assert is_new()
        tool.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        marks.append(engine.commit_mark())
        tool.execute("BEGIN IMMEDIATE")
        tool.execute("UPDATE workspace_profiles SET name = 'y' WHERE workspace = 1")
        assert not is_new()
        tool.execute("ROLLBACK")
        assert not is_new()


async def test_a_mark_is_not_that_of_an_earlier_connection(engine: Engine, other: Engine) -> None:
    """Each connection counts for itself, and somebody may have written between two."""
    before = engine.commit_mark()
    await engine.close()
    await add(other, 1)
    await engine.open()
    assert engine.commit_mark() not in (before, None)


async def test_a_request_asks_once(engine: Engine, other: Engine) -> None:
    """What it remembers is of one instant after its arrival; the next request asks anew."""
    with request():
        mark = engine.commit_mark()
        await add(other, 1)
        assert engine.commit_mark() == mark
    with request():
        assert engine.commit_mark() != mark


async def test_a_request_asks_anew_after_its_own_write(engine: Engine) -> None:
    """So that it sees what it wrote."""
    with request():
        mark = engine.commit_mark()
        await add(engine, 1)
        assert engine.commit_mark() != mark


async def test_what_a_request_began_asks_anew_after_its_answer(engine: Engine, other: Engine) -> None:
    """A task that goes on is in the context of its request."""
    with request() as record:
        mark = engine.commit_mark()
        record.status = 200
        await add(other, 1)
        assert engine.commit_mark() != mark


async def test_a_transaction_and_a_server_database_have_no_mark(database: Database) -> None:
    """A transaction sees what it wrote itself; to ask a server takes as long as to read."""
    async with database.fresh() as url:
        engine = create_engine(url)
        await engine.open()
        assert (engine.commit_mark() is not None) is isinstance(engine, SQLite)
        assert (engine.in_background().commit_mark() is not None) is isinstance(engine, SQLite)
        nested: list[Any] = []

        async def work(transaction: Transaction) -> None:
            nested.append(NestedEngine(transaction).commit_mark())

        await engine.read(work)
        assert nested == [None]
        await engine.close()


async def test_a_file_that_cannot_be_read_has_no_mark(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The read that follows tells why."""

    def fail(*_: object) -> None:
        error = sqlite3.DatabaseError("malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    reads = engine._point_reads
    with monkeypatch.context() as failing:
        failing.setattr(reads, "_ask_version", fail)
        failing.setattr(reads._transaction, "_execute", fail)
        assert engine.commit_mark() is None
        with pytest.raises(DatabaseDamaged):
            await engine.fetch_point(_ONE, {})
        with pytest.raises(DatabaseDamaged):
            await engine.point_read(lambda transaction: transaction.fetch_one(_ONE))
    assert engine.commit_mark() is not None
