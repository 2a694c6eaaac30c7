"""A transaction of PostgreSQL sends writes of different tables together, and nothing else can be told."""

from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Table,
    bindparam,
    delete,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.schema import CreateTable

from diglot.storage.connect import create_engine
from diglot.storage.schema import ephemeral_metadata, metadata
from diglot.storage.schema.distribution import list_placements
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.pool.postgresql_transaction import PostgreSQLTransaction, WritingTransaction
from diglot.storage.sql.postgresql_dialect import POSTGRESQL
from diglot.storage.sql.statement import Statement
from support.engines import ON_SERVERS, Database
from support.reporting import SEED
from support.statements import recording

ROUNDS: Final = 150
KEYS: Final = 6
_TABLES = MetaData()
A, B, C = (
    Table(
        name,
        _TABLES,
        Column("workspace", Integer, primary_key=True, autoincrement=False),
        Column("key", Integer, primary_key=True, autoincrement=False),
        Column("value", Integer, nullable=False),
    )
    for name in ("a", "b", "c")
)
PARTS = Table(
    "parts",
    _TABLES,
    Column("workspace", Integer, primary_key=True, autoincrement=False),
    Column("key", Integer, primary_key=True, autoincrement=False),
    Column("whole", Integer),
    ForeignKeyConstraint(["workspace", "whole"], ["a.workspace", "a.key"]),
)
# Its rows are of no workspace.
COPIED = Table("copied", _TABLES, Column("key", Integer, primary_key=True, autoincrement=False))
_WORKSPACE: Final = bindparam("in_workspace", type_=Integer())
_KEY: Final = bindparam("at", type_=Integer())
_VALUE: Final = bindparam("to", type_=Integer())


def _statements(table: Table, other: Table) -> dict[str, Statement]:
    """Return the kinds of writes of a table; two of them read another one."""
    of_other = (other.c.workspace == _WORKSPACE, other.c.key == _KEY)
    from_other = select(other.c.workspace, other.c.key + 10, other.c.value).where(*of_other)
    known = select(table.c.key).where(table.c.workspace == other.c.workspace, table.c.key == other.c.key + 10)
    total = select(other.c.value).where(*of_other).scalar_subquery()
    of_key = (table.c.workspace == _WORKSPACE, table.c.key == _KEY)
    copied = insert(table).from_select(["workspace", "key", "value"], from_other.where(~known.exists()))
    return {
        "delete": Statement(delete(table).where(*of_key)),
        "add": Statement(update(table).where(*of_key).values(value=table.c.value + _VALUE)),
        "set": Statement(update(table).where(*of_key).values(value=_VALUE)),
        "take": Statement(update(table).where(*of_key, total.is_not(None)).values(value=total)),
        "copy": Statement(copied),
    }


def _of(at: int, to: int = 1, workspace: int = 1) -> dict[str, int]:
    """Return values as a tenant binds them."""
    return {"at": at, "to": to, "workspace": workspace, "in_workspace": workspace}


PUT: Final = {
    table.name: Statement(insert(table).values(workspace=_WORKSPACE, key=_KEY, value=_VALUE))
    for table in (A, B, C)
}
WRITES: Final = {
    (table.name, kind): statement
    for table, other in ((A, B), (B, C), (C, A))
    for kind, statement in _statements(table, other).items()
}
READS: Final = {table.name: Statement(select(table).order_by(table.c.key)) for table in (A, B, C)}
TAKEN: Final = {
    table.name: Statement(
        update(table)
        .where(table.c.workspace == _WORKSPACE, table.c.key == _KEY)
        .values(value=0)
        .returning(table.c.key, table.c.value)
    )
    for table in (A, B, C)
}


async def _opened(url: str) -> Engine:
    engine = create_engine(url)
    await engine.open()

    async def create(transaction: Transaction) -> None:
        for table in _TABLES.sorted_tables:
            written = str(CreateTable(table).compile(dialect=engine.backend.dialect))
            await transaction.execute(Statement(text(written)))
        for name in PUT:
            await transaction.execute_many(PUT[name], [_of(key, key) for key in range(KEYS)])

    await engine.write(create)
    return engine


async def _contents(engine: Engine) -> dict[str, Any]:
    async def read(transaction: Transaction) -> dict[str, Any]:
        return {name: list(map(tuple, await transaction.fetch_all(READS[name]))) for name in READS}

    return await engine.read(read)


async def _act(transaction: Transaction, rng: Random, *, apart: bool) -> list[Any]:
    """Run random statements; return what the reads among them found."""
    execute = PostgreSQLTransaction.execute if apart else WritingTransaction.execute
    assert isinstance(transaction, WritingTransaction)
    found: list[Any] = []
    for _ in range(rng.randint(1, 12)):
        values = _of(rng.randrange(KEYS + 10), rng.randrange(100))
        if (chance := rng.random()) < 0.75:
            await execute(transaction, WRITES[rng.choice(list(WRITES))], values)
        elif chance < 0.9:
            found.append(list(map(tuple, await transaction.fetch_all(READS[rng.choice("abc")]))))
        else:
            taken = await transaction.fetch_one(TAKEN[rng.choice("abc")], values)
            found.append(taken and tuple(taken))
    return found


@ON_SERVERS
async def test_together_is_as_apart(database: Database, pytestconfig: pytest.Config) -> None:
    """Random transactions leave and read the same, whether their writes are sent together or one by one."""
    seed = pytestconfig.stash[SEED]
    async with database.empty() as first, database.empty() as second:
        together, apart = await _opened(first), await _opened(second)
        sent = {True: 0, False: 0}
        for number in range(ROUNDS):
            found = {}
            for engine in (together, apart):
                rng, one_by_one = Random(f"{seed} {number}"), engine is apart
                with recording() as statements:
                    found[one_by_one] = await engine.write(
                        lambda tx, rng=rng, apart=one_by_one: _act(tx, rng, apart=apart)  # type: ignore[misc]
                    )
                sent[one_by_one] += len(statements)
            assert found[True] == found[False], f"round {number}"
            assert await _contents(together) == await _contents(apart), f"round {number}"
        assert sent[False] < 0.9 * sent[True]
        await together.close()
        await apart.close()


@ON_SERVERS
async def test_what_is_sent(database: Database) -> None:
    """Writes wait for one of the same table, for a statement that needs them, or for the commit."""
    add = {name: WRITES[name, "add"] for name in "abc"}
    one = _of(1)

    async def work(transaction: Transaction) -> None:
        for name in "ab":
            await transaction.execute(add[name], one)
        assert not statements
        await transaction.fetch_all(READS["c"])
        assert len(statements) == 1, "it needs neither of them"
        await transaction.execute(add["b"], one)
        assert len(statements) == 2, "the rows of b are changed once more"
        await transaction.fetch_all(READS["a"])
        assert len(statements) == 3, "it needs what was sent already"
        await transaction.execute(add["c"], one)

    async with database.empty() as url:
        engine = await _opened(url)
        with recording() as statements:
            await engine.write(work)
        assert len(statements) == 4
        assert statements[1].startswith("WITH part_0 AS (UPDATE a ")
        assert statements[1].endswith(") SELECT 1"), "no part is in the place of the last one"
        assert statements[3].startswith("WITH part_0 AS (UPDATE b ")
        assert (await _contents(engine))["b"][1] == (1, 1, 3)
        await engine.close()


@ON_SERVERS
async def test_other_rows_of_one_table(database: Database) -> None:
    """A write joins another one of its table if its rows are said to be others, but none of what it reads."""

    async def work(transaction: Transaction) -> None:
        await transaction.execute(WRITES["a", "delete"], _of(1))
        transaction.rows_are_apart = True
        await transaction.execute(PUT["a"], _of(50))
        assert not statements
        await transaction.execute(WRITES["c", "take"], _of(50))
        assert len(statements) == 1, "it reads a"
        transaction.rows_are_apart = False

    async with database.empty() as url:
        engine = await _opened(url)
        with recording() as statements:
            await engine.write(work)
        assert [row[1] for row in (await _contents(engine))["a"]] == [0, *range(2, KEYS), 50]
        await engine.close()


@ON_SERVERS
async def test_what_stays_apart(database: Database) -> None:
    """Writes of two workspaces, and of a table that a distributed database copies to every node."""
    add = WRITES["a", "add"], WRITES["b", "add"]
    copy = Statement(insert(COPIED).values(key=_KEY))

    async def work(transaction: Transaction) -> None:
        await transaction.execute(add[0], _of(1))
        await transaction.execute(add[1], _of(1, workspace=2))
        await transaction.execute(copy, _of(1))
        assert len(statements) == 3
        await transaction.execute(add[0], {"at": 1, "to": 1, "in_workspace": 1})
        assert len(statements) == 4, "nothing says of which workspace it is"

    async with database.empty() as url:
        engine = await _opened(url)
        with recording() as statements:
            await engine.write(work)
        assert not [one for one in statements if one.startswith("WITH")]
        await engine.close()


@ON_SERVERS
@pytest.mark.parametrize("count", [1, 3])
async def test_rows_that_refer_to_others(database: Database, count: int) -> None:
    """Rows are sent after or with those that they refer to, and are deleted before or with them."""
    put_parts = Statement(insert(PARTS).values(workspace=_WORKSPACE, key=_KEY, whole=_VALUE))
    delete_parts = Statement(delete(PARTS).where(PARTS.c.workspace == _WORKSPACE, PARTS.c.whole == _KEY))

    async def work(transaction: Transaction) -> None:
        await transaction.execute(PUT["a"], _of(50))
        await transaction.execute(WRITES["b", "add"], _of(1))
        await transaction.execute_many(put_parts, [_of(number, 50) for number in range(count)])
        await transaction.execute(delete_parts, _of(50))
        await transaction.execute(WRITES["a", "delete"], _of(50))

    async with database.empty() as url:
        engine = await _opened(url)
        before = await _contents(engine)
        await engine.write(work)
        assert (await _contents(engine))["a"] == before["a"]
        await engine.close()


@ON_SERVERS
async def test_a_unit_that_fails_sends_nothing(database: Database) -> None:
    """What it held is forgotten, and a fault of a held write fails the unit."""

    async def fail(transaction: Transaction) -> None:
        await transaction.execute(WRITES["a", "add"], _of(1))
        raise LookupError

    async def put_twice(transaction: Transaction) -> None:
        await transaction.execute(WRITES["b", "add"], _of(1))
        await transaction.execute(PUT["a"], _of(1))

    async with database.empty() as url:
        engine = await _opened(url)
        before = await _contents(engine)
        with recording() as statements, pytest.raises(LookupError):
            await engine.write(fail)
        assert not statements
        with pytest.raises(Exception, match="duplicate key"):
            await engine.write(put_twice)
        assert await _contents(engine) == before
        await engine.close()


def test_the_tables_that_are_copied_stay_apart() -> None:
    """Writes of exactly those tables are joined that Citus divides by the workspace."""
    divided = {one.name for one in list_placements() if one.column == "workspace"}
    tables = (*metadata.sorted_tables, *ephemeral_metadata.sorted_tables)
    joined = {table.fullname for table in tables if POSTGRESQL.compile(delete(table)).divisible}
    assert joined == divided
