"""The last use of a key: shown immediately where it was seen, and written later, never by the request."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from diglot.dialects.registry import get_dialect
from diglot.service.access import key_usage
from diglot.service.access.key_usage import KeyUsage
from diglot.service.access.keys import Keys
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine, UnitOfWork
from diglot.storage.sql.pool.postgresql_transaction import PostgreSQLTransaction
from support.servers.in_process import bearer, serving
from support.statements import recording

NOW = 1_770_000_000_000_000
LATER = NOW + 60_000_000


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend an engine on a fresh database."""
    engine = create_engine(url)
    await engine.open()
    yield engine
    await engine.close()


async def stored_uses(engine: Engine) -> list[int | None]:
    """Return the stored times of last use."""
    return [key.last_used_at for _, key in await Keys(engine).list_all()]


async def test_a_server_writes_them_when_it_stops(url: str, engine: Engine) -> None:
    """A request writes nothing, but its response includes the use; the server writes it when it stops."""
    async with serving(url, now=NOW) as server:
        headers = bearer(await server.key("misar", "one"))
        await server.key("misar", "one")
        shown = (await server.client.get("/mail/v1/keys", headers=headers)).json()["keys"]
        assert sorted(str(key["last_used_at"]) for key in shown) == ["2026-02-02T02:40:00Z", "None"]
        assert await stored_uses(engine) == [None, None]
    assert sorted(str(use) for use in await stored_uses(engine)) == [str(NOW), "None"]


async def test_a_server_writes_them_periodically(
    url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each flush writes each key once."""
    monkeypatch.setattr(key_usage, "FLUSH_SECONDS", 0.01)
    async with serving(url, now=NOW) as server:
        headers = bearer(await server.key("misar", "one"))
        assert (await server.client.get("/mail/v1/contacts", headers=headers)).status_code == 200
        async with asyncio.timeout(10):
            while await stored_uses(engine) != [NOW]:  # noqa: ASYNC110 - a row has no event
                await asyncio.sleep(0.01)


async def test_a_use_only_moves_forward(engine: Engine) -> None:
    """A late write of one process does not overwrite a later use by another process."""
    await Keys(engine).create(get_dialect("misar").key_format, "one")
    ((_, key),) = await Keys(engine).list_all()
    for instant in (LATER, NOW):
        uses = KeyUsage(engine)
        uses.record_use(key.id, instant)
        await uses.flush()
        await uses.flush()
    assert await stored_uses(engine) == [LATER]
    uses.record_use(key.id, NOW)
    assert uses.latest_use(key.id, LATER) == LATER
    assert uses.latest_use(key.id, None) == NOW
    assert uses.latest_use("another", LATER) == LATER


async def create_keys(engine: Engine, number: int) -> list[str]:
    """Create keys in workspaces of their own, and return their ids."""
    for each in range(number):
        await Keys(engine).create(get_dialect("misar").key_format, f"w{each}")
    return [key.id for _, key in await Keys(engine).list_all()]


async def test_a_flush_is_one_statement(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server gets all uses in one, because one for each key would cost it several times as much."""
    first, *others = await create_keys(engine, 4)

    async def fail(*_: object) -> None:
        raise AssertionError("a statement for each key")

    uses = KeyUsage(engine)
    for key, instant in ((first, LATER), *((key, NOW) for key in others), ("unknown", NOW)):
        uses.record_use(key, instant)
    monkeypatch.setattr(PostgreSQLTransaction, "execute_many", fail)
    with recording() as statements:
        await uses.flush()
    assert len(statements) == 1
    late = KeyUsage(engine)
    for key in (first, others[0]):
        late.record_use(key, NOW + 1)
    await late.flush()
    assert sorted(map(str, await stored_uses(engine))) == sorted(map(str, (LATER, NOW + 1, NOW, NOW)))


async def test_parallel_flushes_wait_in_one_order(engine: Engine) -> None:
    """Processes that saw the same keys in another order do not deadlock, and the latest use is stored."""
    keys = await create_keys(engine, 12)

    async def flush(number: int) -> None:
        uses = KeyUsage(engine)
        for key in keys if number % 2 else reversed(keys):
            uses.record_use(key, NOW + number)
        await uses.flush()
        assert uses.latest_use(keys[0], None) is None, "all are written"

    await asyncio.gather(*map(flush, range(40)))
    assert await stored_uses(engine) == [NOW + 39] * len(keys)
    assert engine.usage().errors == {}


@pytest.mark.parametrize("error", [OSError("the disk is full"), asyncio.CancelledError()])
async def test_unwritten_uses_are_kept(
    engine: Engine, error: BaseException, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failure is logged and loses no use, and neither does a cancellation during a write."""
    await Keys(engine).create(get_dialect("misar").key_format, "one")
    ((_, key),) = await Keys(engine).list_all()
    uses = KeyUsage(engine)
    uses.record_use(key.id, NOW)

    async def fail(work: UnitOfWork[None]) -> None:
        del work
        raise error

    caplog.set_level(logging.ERROR)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "write", fail)
        await asyncio.gather(uses.flush(), return_exceptions=True)
    assert [record.levelname for record in caplog.records] == ["ERROR"] * isinstance(error, Exception)
    await uses.flush()
    assert await stored_uses(engine) == [NOW]
