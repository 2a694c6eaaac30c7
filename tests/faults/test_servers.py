"""Whole servers under faults: what clients see, in their dialect, and that the server stays up."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from diglot.dialects.registry import DIALECTS
from diglot.storage.connect import find_file
from support import engines
from support.servers.in_process import bearer
from support.servers.own_postgres import OwnPostgres, own_postgres
from support.servers.process import ServerProcess

SECONDS = 60
SEGMENTS = {"misar": "/mail/v1/segments", "topmail": "/api/v1/segments"}


@dataclass
class Running:
    """A server process, its address and the lines of its log."""

    base: str
    url: str
    process: asyncio.subprocess.Process
    log: Path

    async def send(self, method: str, path: str, key: str, body: object = None) -> httpx.Response:
        """Send one request on a connection of its own."""
        async with httpx.AsyncClient(base_url=self.base, timeout=20) as client:
            return await client.request(method, path, headers=bearer(key), json=body)

    async def key(self, dialect: str) -> str:
        """Create a key next to the server."""
        return await ServerProcess(self.base, self.url).key(dialect)

    def workers(self) -> list[int]:
        """Return the worker processes."""
        pid = self.process.pid
        return [int(item) for item in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@asynccontextmanager
async def serving(url: str, folder: Path, *options: str) -> AsyncIterator[Running]:
    """Serve a database at a free port; the server need not be healthy, but has to stay and to end with 0."""
    port = _free_port()
    log = folder / "log"
    command = (sys.executable, "-m", "diglot", "serve", "--port", str(port), "--database", url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGLOT_")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, "--rate-limits", "off", *options, stdout=PIPE, stderr=output, env=environment
        )
    running = Running(f"http://127.0.0.1:{port}", url, process, log)
    try:
        async with asyncio.timeout(SECONDS):
            while not await _answers(running):  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.05)
        yield running
        assert process.returncode is None, log.read_text()
        process.terminate()
    finally:
        if process.returncode is None:
            process.terminate()
        code = await asyncio.wait_for(process.wait(), SECONDS)
    assert code == 0, log.read_text()


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


async def _answers(running: Running) -> bool:
    assert running.process.returncode is None, running.log.read_text()
    try:
        await running.send("GET", "/mail/v1/segments", "none")
    except httpx.TransportError:
        return False
    return True


def check_unavailable(answer: httpx.Response, dialect: str) -> None:
    """Check that a response is a 503 in the dialect's own error body, which says when to retry."""
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    body = answer.json()
    if dialect == "misar":
        assert body["success"] is False
        assert "retry" in body["error"]
    else:
        assert body["error"]["code"] == "service_unavailable"


async def _until_ok(running: Running, path: str, key: str) -> None:
    async with asyncio.timeout(SECONDS):
        while (answer := await running.send("GET", path, key)).status_code != 200:
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.1)


async def test_postgresql_is_away(tmp_path: Path) -> None:
    """Two workers outlive an outage at the start, and one in which a worker dies."""
    async with own_postgres() as postgres:
        await asyncio.to_thread(postgres.stop)
        async with serving(postgres.url, tmp_path, "--workers", "2") as running:
            for dialect, path in SEGMENTS.items():
                key = f"{'msk_' if dialect == 'misar' else 'tm_live_'}{'0' * 40}"
                check_unavailable(await running.send("GET", path, key), dialect)
            await asyncio.to_thread(postgres.start)
            keys = {dialect.name: await running.key(dialect.name) for dialect in DIALECTS}
            for dialect, path in SEGMENTS.items():
                await _until_ok(running, path, keys[dialect])
            await _outage_without_a_worker(postgres, running, keys)
        text = running.log.read_text()
    assert "Traceback" not in text
    assert "answers again" in text
    lines = re.findall("database away", text)
    assert 1 <= len(lines) <= 400, "a bounded rate for each process"


async def _outage_without_a_worker(postgres: OwnPostgres, running: Running, keys: dict[str, str]) -> None:
    await asyncio.to_thread(postgres.stop)
    before = running.workers()
    os.kill(before[0], signal.SIGKILL)
    for _ in range(20):
        for dialect, path in SEGMENTS.items():
            try:
                check_unavailable(await running.send("GET", path, keys[dialect]), dialect)
            except httpx.TransportError:
                continue  # the connection of the worker that died
    async with asyncio.timeout(SECONDS):
        while len(set(running.workers()) - {before[0]}) < 2:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)
    await asyncio.to_thread(postgres.start)
    for dialect, path in SEGMENTS.items():
        await _until_ok(running, path, keys[dialect])


async def test_the_file_is_replaced(tmp_path: Path) -> None:
    """Writes are refused in both dialects and reads go on, until the file is back."""
    async with engines.SQLITE.fresh() as url, serving(url, tmp_path) as running:
        path = find_file(url)
        keys = {dialect.name: await running.key(dialect.name) for dialect in DIALECTS}
        away = path.rename(path.with_name("away.db"))
        for dialect, collection in SEGMENTS.items():
            written = await running.send("POST", collection, keys[dialect], {"name": "lost"})
            check_unavailable(written, dialect)
            assert (await running.send("GET", collection, keys[dialect])).status_code == 200
        assert "was deleted or moved while in use" in running.log.read_text()
        away.rename(path)
        made = await running.send("POST", SEGMENTS["topmail"], keys["topmail"], {"name": "kept"})
        assert made.status_code == 201
