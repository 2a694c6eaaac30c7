"""What an operator sees of whole servers: sums over workers, a log in one form, a stop that drains."""

import asyncio
import json
import os
import re
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import pytest

from support.engines import SQLITE, Database
from support.metrics_page import MetricsPage
from support.servers.command import server_command
from support.servers.process import SECONDS, ServerProcess, running

REQUESTS: Final = "diglot_http_requests_total"
BOTH_SHAPES: Final = pytest.mark.parametrize("workers", ["1", "2"])
DRAINED: Final = {
    "status": "not ready",
    "database": "ok",
    "schema": "ok",
    "disk": "ok",
    "serving": "draining",
}


async def get(server: ServerProcess, path: str) -> httpx.Response:
    """Send a GET on a connection of its own, which any worker may accept."""
    async with httpx.AsyncClient(base_url=server.base, timeout=SECONDS) as client:
        return await client.get(path)


async def page_of(server: ServerProcess) -> MetricsPage:
    """Return the metrics that some worker shows."""
    return MetricsPage((await get(server, "/metrics")).text)


@pytest.mark.one_in(2, of="servers that are watched")
async def test_workers_are_one_server(database: Database) -> None:
    """Whichever worker answers shows the sums; a worker that dies takes nothing with it."""
    async with database.fresh() as url, running(url, "--workers", "2") as server:
        for _ in range(40):
            await get(server, "/mail/v1/segments")
        pages = [await page_of(server) for _ in range(10)]
        assert [page.sum(REQUESTS, dialect="misar") for page in pages] == [40] * 10
        assert {page.value("diglot_http_requests_in_flight") for page in pages} == {1}
        assert pages[0].value("diglot_processes") == 3
        cpu = [page.value("process_cpu_seconds_total") for page in pages]
        assert cpu == sorted(cpu)
        killed = server.workers[0]
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(SECONDS):
            while killed in server.workers or len(server.workers) < 2:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.05)
        await server.wait_until_ready()
        after = await page_of(server)
        assert after.sum(REQUESTS, dialect="misar") == 40
        assert after.value("process_cpu_seconds_total") >= cpu[-1]
        for _ in range(5):
            await get(server, "/mail/v1/segments")
        assert (await page_of(server)).sum(REQUESTS, dialect="misar") == 45


@dataclass
class Watched:
    """A server whose log a test reads."""

    server: ServerProcess
    process: asyncio.subprocess.Process

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Signal the server, and return its whole log."""
        self.process.send_signal(number)
        assert self.process.stderr is not None
        log = await asyncio.wait_for(self.process.stderr.read(), SECONDS)
        assert await self.process.wait() == 0
        return log.decode()


@asynccontextmanager
async def watched(url: str, *options: str) -> AsyncIterator[Watched]:
    """Serve until the test stops the server."""
    command, settings = server_command(url, *options)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=PIPE, stderr=PIPE, env=settings, start_new_session=True
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), SECONDS)).decode()
        match = re.search("http://[0-9.]+:[0-9]+", line)
        assert match is not None, line
        yield Watched(ServerProcess(match[0], url, pid=process.pid), process)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


@pytest.mark.one_in(2, of="servers that are watched")
async def test_every_line_has_one_form(database: Database) -> None:
    """Lines of requests, of the server and of granian are JSON objects with time and level."""
    options = ("--workers", "2", "--log-format", "json", "--access-log")
    async with database.fresh() as url, watched(url, *options) as one:
        await get(one.server, "/mail/v1/segments")
        killed = one.server.workers[0]
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(SECONDS):
            while killed in one.server.workers or len(one.server.workers) < 2:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.05)
        log = await one.stop()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"diglot.access", "_granian"} <= {line["logger"] for line in lines}
    for line in lines:
        assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", line["time"])
        assert line["level"] in ("info", "warning", "error")
        assert line["message"]


@pytest.mark.one_in(2, of="servers that are watched")
@BOTH_SHAPES
async def test_a_stop_drains_first(workers: str) -> None:
    """`/ready` turns red at once, requests are served meanwhile, and one in progress is finished."""
    options = ("--workers", workers, "--drain-seconds", "3")
    async with SQLITE.fresh() as url, watched(url, *options) as one:
        assert (await get(one.server, "/ready")).status_code == 200
        stopping = asyncio.create_task(one.stop())
        async with asyncio.timeout(SECONDS):
            while (red := await get(one.server, "/ready")).status_code == 200:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
        assert (red.status_code, red.json()) == (503, DRAINED)
        for _ in range(3):
            assert (await get(one.server, "/health")).status_code == 200
            assert (await get(one.server, "/mail/v1/segments")).status_code == 401
        assert "draining for 3 seconds" in await stopping
        with pytest.raises(httpx.TransportError):
            await get(one.server, "/health")


@pytest.mark.one_in(2, of="servers that are watched")
@pytest.mark.parametrize(
    ("workers", "signals"), [("1", (signal.SIGINT,)), ("2", (signal.SIGTERM, signal.SIGTERM))]
)
async def test_impatience_ends_the_drain(workers: str, signals: tuple[signal.Signals, ...]) -> None:
    """Ctrl+C does not wait, and a second SIGTERM ends the wait: an hour of it would end this test."""
    options = ("--workers", workers, "--drain-seconds", "3600")
    async with SQLITE.fresh() as url, watched(url, *options) as one:
        for number in signals[:-1]:
            one.process.send_signal(number)
            async with asyncio.timeout(SECONDS):
                while (await get(one.server, "/ready")).status_code == 200:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.02)
        await one.stop(signals[-1])


@pytest.mark.one_in(2, of="servers that are watched")
async def test_a_rolling_restart_fails_no_request(database: Database) -> None:
    """Two servers behind a balancer that asks `/ready`: one is stopped while a client sends requests."""
    async with database.fresh() as url:
        options = ("--workers", "2", "--drain-seconds", "2")
        async with watched(url, *options) as old, running(url, "--workers", "1") as new:
            balancer = Balancer([old.server, new])
            asking = asyncio.create_task(balancer.ask())
            checking = asyncio.create_task(balancer.check())
            await asyncio.sleep(1)
            await old.stop()
            balancer.stopping.set()
            await asyncio.gather(asking, checking)
        assert balancer.failures == []
        assert balancer.answers > 2, "a busy machine answers seldom"
        assert balancer.ready == [new]


class Balancer:
    """A load balancer that sends requests in turn to the servers that were ready when it last looked."""

    def __init__(self, servers: list[ServerProcess]) -> None:
        self.servers = servers
        self.ready = list(servers)
        self.answers = 0
        self.failures: list[str] = []
        self.stopping = asyncio.Event()

    async def check(self) -> None:
        """Look at each server twice a second."""
        while not self.stopping.is_set():
            self.ready = [server for server in self.servers if await self._is_ready(server)]
            await asyncio.sleep(0.5)

    async def ask(self) -> None:
        """Send one request after another."""
        while not self.stopping.is_set():
            for server in list(self.ready):
                try:
                    assert (await get(server, "/mail/v1/segments")).status_code == 401
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                self.answers += 1

    async def _is_ready(self, server: ServerProcess) -> bool:
        try:
            return (await get(server, "/ready")).status_code == 200
        except httpx.TransportError:
            return False
