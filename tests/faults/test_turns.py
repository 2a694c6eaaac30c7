"""Turns: a workspace leaves room for others, and nobody waits without end."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from diglot.errors import DatabaseAway, DatabaseBusy
from diglot.storage.sql.engine import Limits
from diglot.storage.sql.pool.turns import Turns

SHORT = Limits(wait_seconds=0.3, queue_seconds=0.9)


async def take_all(turns: Turns, key: int) -> int:
    """Take slots for a workspace until it would have to wait; return how many."""
    for taken in range(100):
        waiting = asyncio.ensure_future(turns.take(key))
        await asyncio.sleep(0)
        if not waiting.done():
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            return taken
    raise AssertionError


@asynccontextmanager
async def queued(turns: Turns, key: int) -> AsyncIterator[asyncio.Future[float]]:
    """Lend a unit that waits for a slot."""
    waiting = asyncio.ensure_future(turns.take(key))
    await asyncio.sleep(0)
    assert not waiting.done()
    yield waiting
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


@pytest.mark.parametrize(("size", "held"), [(1, 1), (2, 1), (4, 2), (8, 4), (20, 10)])
async def test_one_workspace_holds_half(size: int, held: int) -> None:
    """However much one workspace asks for, others find free slots."""
    turns = Turns(size, SHORT)
    assert await take_all(turns, 1) == held
    assert size == 1 or await take_all(turns, 2) >= 1


async def test_a_newcomer_never_waits_for_one_workspace() -> None:
    """Units of other workspaces get a slot at once while one workspace has a queue."""
    turns = Turns(4, SHORT)
    await take_all(turns, 1)
    async with queued(turns, 1) as waiting:
        for _ in range(10):
            assert await turns.take(2) == 0.0
            turns.give_back(2, succeeded=True)
        assert not waiting.done()


async def test_a_slot_goes_to_who_holds_least() -> None:
    """The next slot is not for the workspace that waits longest, but for the one that holds least."""
    turns = Turns(2, SHORT)
    await take_all(turns, 1)
    await take_all(turns, 2)
    async with queued(turns, 1) as heavy, queued(turns, 3) as light:
        turns.give_back(2, succeeded=True)
        await asyncio.sleep(0)
        assert light.done()
        assert not heavy.done()


async def test_who_waits_in_vain_is_rejected() -> None:
    """Without any success of the workspace the wait is short."""
    turns = Turns(1, SHORT)
    await turns.take(1)
    with pytest.raises(DatabaseBusy, match="1 of 1 are in use"):
        await asyncio.wait_for(turns.take(1), 5)
    assert turns.usage().waiting == 0
    assert turns.usage().wait_seconds > 0.2


async def test_a_queue_that_moves_is_patient() -> None:
    """Units behind others of their workspace wait longer, while these succeed."""
    turns = Turns(1, Limits(wait_seconds=0.5, queue_seconds=60))
    await turns.take(1)
    waiting = [asyncio.ensure_future(turns.take(1)) for _ in range(12)]
    for unit in waiting:
        await asyncio.sleep(0.1)
        turns.give_back(1, succeeded=True)
        await unit
    turns.give_back(1, succeeded=True)
    assert turns.usage().in_use == 0


async def test_a_request_that_leaves_gives_its_turn_to_the_next() -> None:
    """A slot that was granted to a cancelled unit is not lost."""
    turns = Turns(1, SHORT)
    await turns.take(1)
    async with queued(turns, 1) as first, queued(turns, 1) as second:
        turns.give_back(1, succeeded=True)
        first.cancel()
        await asyncio.wait_for(second, 5)
    turns.give_back(1, succeeded=True)
    assert turns.usage().in_use == 0


async def test_an_outage_rejects_all_that_wait() -> None:
    """Nobody waits for a database that is away."""
    turns = Turns(1, SHORT)
    await turns.take(1)
    async with queued(turns, 1) as first, queued(turns, 2) as second:
        turns.reject_waiting(DatabaseAway("gone"))
        for waiting in (first, second):
            with pytest.raises(DatabaseAway, match="gone"):
                await waiting


async def test_a_smaller_pool_hands_out_less() -> None:
    """A pool that the server refuses to grow gets along with what it has, and grows again."""
    turns = Turns(4, SHORT)
    turns.resize(1)
    assert await take_all(turns, 1) == 1
    turns.resize(4)
    assert await take_all(turns, 2) == 2
