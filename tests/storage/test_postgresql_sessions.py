"""A session of PostgreSQL asks the catalogue for no type that a statement of Diglot uses."""

from typing import Any

import asyncpg
import pytest

from diglot.storage.sql.pool.postgresql_sessions import read_sessions
from support.engines import ON_SERVERS, Database
from support.openapi.exchanges import load_stories
from support.openapi.http_examples import run_story_alone

ARRAYS = {
    "bool[]": [True, None, False],
    "bytea[]": [b"a\x00", b""],
    "int4[]": [1, -1],
    "text[]": ['a, "b"', "\u00e4"],
    "varchar[]": ["a"],
    "int8[]": [1 << 62, None],
    "float8[]": [0.5],
}


@ON_SERVERS
@pytest.mark.parametrize("type_", ARRAYS)
async def test_an_array_is_known(database: Database, type_: str) -> None:
    """One query goes to the server, and it reads and returns what the catalogue's description would."""
    queries: list[str] = []
    async with database.empty() as url:
        session = await read_sessions(url).connect(10)
        session.add_query_logger(lambda logged: queries.append(logged.query))
        assert await session.fetchval(f"SELECT $1::{type_}", ARRAYS[type_]) == ARRAYS[type_]
        await session.close()
        assert queries == [f"SELECT $1::{type_}"]


@ON_SERVERS
async def test_another_type_is_asked_for(database: Database) -> None:
    """What is not known is described by the catalogue, as the driver does it."""
    async with database.empty() as url:
        session = await read_sessions(url).connect(10)
        assert await session.fetchval("SELECT $1::int2[]", [1]) == [1]
        assert await session.fetchval("SELECT ROW(1, $1::int8[])", [1]) == (1, [1])
        await session.close()


@ON_SERVERS
async def test_no_story_asks(
    database: Database, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    """Every array that a statement sends or reads is known; by default some stories show it."""

    async def refuse(_: Any, typeoids: Any, timeout: Any) -> Any:  # noqa: ASYNC109 - the driver's own
        raise AssertionError(f"asked for {typeoids} within {timeout} s")

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", refuse)
    stories = list(load_stories())
    for story in stories if pytestconfig.getoption("full") else stories[::8]:
        async with database.fresh() as url:
            results = await run_story_alone(story, url)
        assert not [item.fault for item in results if item.fault]
