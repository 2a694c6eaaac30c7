"""The newcomer of these tests sees a server that does not answer, and one that refuses."""

import asyncio
import os
import signal

import pytest

from support.engines import SQLITE
from support.newcomer import attacker, newcomer
from support.servers.process import ServerProcess, running

WITHIN = 1.0


async def freeze(live: ServerProcess) -> None:
    """Stop the server for longer than a newcomer waits."""
    async with newcomer(live, within=WITHIN):
        processes = [live.pid, *live.workers]
        for change in (signal.SIGSTOP, signal.SIGCONT):
            for process in processes:
                os.kill(process, change)
            await asyncio.sleep(2 * WITHIN)


async def refuse(live: ServerProcess) -> None:
    """Delete what the newcomer reads and changes."""
    async with newcomer(live) as other:
        async with attacker(live, key=other.misar) as client:
            await client.delete(f"/mail/v1/contacts/{other.contact}")
        await asyncio.sleep(1)


async def test_a_newcomer_sees_a_frozen_server() -> None:
    """A server that stops for longer than the limit fails the test that abused it."""
    async with SQLITE.fresh() as url, running(url) as live:
        with pytest.raises(AssertionError, match="calls of the newcomer failed"):
            await freeze(live)


async def test_a_newcomer_sees_a_refusal() -> None:
    """A fast answer that refuses is a failure too."""
    async with SQLITE.fresh() as url, running(url) as live:
        with pytest.raises(AssertionError, match=r"PATCH /mail/v1/contacts/[-0-9a-f]+: 404 after"):
            await refuse(live)


async def test_an_attacker_is_another_client() -> None:
    """The attacker's workspace and address are not the newcomer's, who is answered."""
    async with SQLITE.fresh() as url, running(url) as live, newcomer(live) as other:
        async with attacker(live) as client:
            answer = await client.get("/mail/v1/contacts")
        assert (answer.status_code, answer.json()["data"]) == (200, [])
        assert other.slowest() < other.within
