"""A transaction of PostgreSQL sends writes of different tables together, and nothing else can be told."""

from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, bindparam, delete, insert, select, text, update

from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.sql.pool.postgresql_transaction import PostgreSQLTransaction, WritingTransaction
from diglot.storage.sql.statement import Statement
from support.engines import DATABASES, SQLITE, Database
from support.reporting import SEED
from support.statements import recording

SERVERS = pytest.mark.parametrize(
    "database",
    [database for database in DATABASES if database is not SQLITE],
    ids=lambda database: database.name,
)
ROUNDS: Final = 150
KEYS: Final = 6
_TABLES = MetaData()
A, B, C = (
    Table(
        name,
        _TABLES,
        Column("key", Integer, primary_key=True, autoincrement=False),
        Column("value", Integer, nullable=False),
    )
    for name in ("a", "b", "c")
)
PARTS = Table("parts", _TABLES, Column("key", Integer), Column("whole", Integer))
_CREATE: Final = (
    *(Statement(text(f"CREATE TABLE {one} (key int PRIMARY KEY, value int NOT NULL)")) for one in "abc"),
    Statement(text("CREATE TABLE parts (key int PRIMARY KEY, whole int REFERENCES a (key))")),
)
_KEY: Final = bindparam("at", type_=Integer())
_VALUE: Final = bindparam("to", type_=Integer())


def _statements(table: Table, other: Table) -> dict[str, Statement]:
    """Return the kinds of writes of a table; two of them read another one."""
    from_other = select(other.c.key + 10, other.c.value).where(other.c.key == _KEY)
    known = select(table.c.key).where(table.c.key == other.c.key + 10).exists()
    total = select(other.c.value).where(other.c.key == _KEY).scalar_subquery()
    of_key = table.c.key == _KEY
    return {
        "delete": Statement(delete(table).where(of_key)),
        "add": Statement(update(table).where(of_key).values(value=table.c.value + _VALUE)),
        "set": Statement(update(table).where(of_key).values(value=_VALUE)),
        "take": Statement(update(table).where(of_key, total.is_not(None)).values(value=total)),
        "copy": Statement(insert(table).from_select(["key", "value"], from_other.where(~known))),
    }


PUT: Final = {table.name: Statement(insert(table).values(key=_KEY, value=_VALUE)) for table in (A, B, C)}
WRITES: Final = {
    (table.name, kind): statement
    for table, other in ((A, B), (B, C), (C, A))
    for kind, statement in _statements(table, other).items()
}
READS: Final = {table.name: Statement(select(table).order_by(table.c.key)) for table in (A, B, C)}
TAKEN: Final = {
    table.name: Statement(
        update(table).where(table.c.key == _KEY).values(value=0).returning(table.c.key, table.c.value)
    )
    for table in (A, B, C)
}


async def _opened(url: str) -> Engine:
    engine = create_engine(url)
    await engine.open()

    async def create(transaction: Transaction) -> None:
        for statement in _CREATE:
            await transaction.execute(statement)
        for name in PUT:
            rows = [{"at": key, "to": key} for key in range(KEYS)]
            await transaction.execute_many(PUT[name], rows)

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
        values = {"at": rng.randrange(KEYS + 10), "to": rng.randrange(100)}
        if (chance := rng.random()) < 0.75:
            await execute(transaction, WRITES[rng.choice(list(WRITES))], values)
        elif chance < 0.9:
            found.append(list(map(tuple, await transaction.fetch_all(READS[rng.choice("abc")]))))
        else:
            taken = await transaction.fetch_one(TAKEN[rng.choice("abc")], values)
            found.append(taken and tuple(taken))
    return found


@SERVERS
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
        assert sent[False] < 0.8 * sent[True]
        await together.close()
        await apart.close()


@SERVERS
async def test_what_is_sent(database: Database) -> None:
    """Writes wait for one of the same table, for a statement that needs them, or for the commit."""
    add = {name: WRITES[name, "add"] for name in "abc"}
    one = {"at": 1, "to": 1}

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
        assert statements[3].startswith("WITH part_0 AS (UPDATE b ")
        assert (await _contents(engine))["b"][1] == (1, 3)
        await engine.close()


@SERVERS
@pytest.mark.parametrize("count", [1, 3])
async def test_rows_that_refer_to_others(database: Database, count: int) -> None:
    """Rows are sent after or with those that they refer to, and are deleted before or with them."""
    put_parts = Statement(insert(PARTS).values(key=_KEY, whole=_VALUE))
    delete_parts = Statement(delete(PARTS).where(PARTS.c.whole == _KEY))

    async def work(transaction: Transaction) -> None:
        await transaction.execute(PUT["a"], {"at": 50, "to": 1})
        await transaction.execute(WRITES["b", "add"], {"at": 1, "to": 1})
        await transaction.execute_many(put_parts, [{"at": number, "to": 50} for number in range(count)])
        await transaction.execute(delete_parts, {"at": 50})
        await transaction.execute(WRITES["a", "delete"], {"at": 50})

    async with database.empty() as url:
        engine = await _opened(url)
        before = await _contents(engine)
        await engine.write(work)
        assert (await _contents(engine))["a"] == before["a"]
        await engine.close()


@SERVERS
async def test_a_unit_that_fails_sends_nothing(database: Database) -> None:
    """What it held is forgotten, and a fault of a held write fails the unit."""

    async def fail(transaction: Transaction) -> None:
        await transaction.execute(WRITES["a", "add"], {"at": 1, "to": 1})
        raise LookupError

    async def put_twice(transaction: Transaction) -> None:
        await transaction.execute(WRITES["b", "add"], {"at": 1, "to": 1})
        await transaction.execute(PUT["a"], {"at": 1, "to": 1})

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
