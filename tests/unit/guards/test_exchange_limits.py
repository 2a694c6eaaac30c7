"""How many calls to upstreams are open at once, of all clients and of one network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from diglot.errors import ServerBusy
from diglot.server.proxy.exchange_limits import ExchangeLimits


@asynccontextmanager
async def filled(limits: ExchangeLimits, *networks: str) -> AsyncIterator[None]:
    """Keep an exchange of each network open."""
    async with AsyncExitStack() as stack:
        for network in networks:
            await stack.enter_async_context(limits.take(network))
        yield


async def test_a_network_leaves_room_for_others() -> None:
    """Its exchanges above its limit are refused after a while, those of others begin at once."""
    limits = ExchangeLimits(most=3, most_of_network=2, wait_seconds=0.02)
    async with filled(limits, "a", "a"):
        with pytest.raises(ServerBusy):
            async with limits.take("a"):
                pass
        async with limits.take("b"):
            with pytest.raises(ServerBusy):
                async with limits.take("c"):
                    pass
    async with filled(limits, "a", "a", "c"):
        pass


async def test_an_exchange_waits_for_its_turn() -> None:
    """It begins when another one of its network ends, and then has as much time as it needs."""
    limits = ExchangeLimits(most=3, most_of_network=1, wait_seconds=0.1)
    order: list[str] = []

    async def second() -> None:
        async with limits.take("a"):
            order.append("second")
            await asyncio.sleep(0.2)
            order.append("end")

    async with limits.take("a"):
        waiting = asyncio.create_task(second())
        await asyncio.sleep(0.01)
        order.append("first")
    await waiting
    assert order == ["first", "second", "end"]


async def test_a_timeout_of_the_exchange_is_its_own() -> None:
    """A timeout within an exchange is not taken for a lack of room."""
    with pytest.raises(TimeoutError):
        async with ExchangeLimits().take("a"):
            raise TimeoutError
