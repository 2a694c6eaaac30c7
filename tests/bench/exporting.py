"""Exports a workspace through a server, and archives it: seconds, CPU, and how much memory grows.

A client reads the export as fast as it comes. The archive is written by a process of its own and read into an
empty database of the same kind, without the full evaluation afterwards.
"""

import asyncio
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from bench.load import MEGABYTE, cpu_of, memory
from bench.store import fill
from diglot.storage.schema import migrate
from support.engines import Database
from support.servers.in_process import bearer
from support.servers.process import ServerProcess, running

_SAMPLE_SECONDS: Final = 0.2
_EXPORTS: Final = {
    "CSV, all columns": "format=csv",
    "lines of JSON, all columns": "format=ndjson",
    "CSV, 3 columns": "format=csv&columns=email,status,attributes.plan",
}


@dataclass(frozen=True)
class Row:
    """One transfer: seconds, of CPU and to the first byte, bytes, and bytes by which the memory grew."""

    name: str
    seconds: float
    cpu: float
    first: float
    size: int
    growth: int


async def measure(database: Database, count: int) -> list[Row]:
    """Fill a database, export it through a server, archive it and read the archive back."""
    async with database.empty() as url, database.empty() as other:
        filled = await fill(url, count)
        await migrate.upgrade_schema(other)
        return await transfer(url, other, filled.misar_key, count)


async def transfer(url: str, other: str, key: str, count: int) -> list[Row]:
    """Export the workspace of a key through a server, and move it to another database as an archive."""
    async with running(url) as live:
        rows = [await _export(live, key, name, query, count) for name, query in _EXPORTS.items()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "bench.zip")
        rows.append(await _command("archive, written", ("export", "bench", str(file)), url, file))
        rows.append(await _command("archive, read and checked", ("import", str(file)), other, file))
    return rows


class _Watch:
    """Samples a process and its children: CPU, and the memory that is theirs alone.

    The kernel's peaks would count the pages of SQLite's file, which the process maps.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.cpu, self.peak = cpu_of(pid), memory(pid)["RssAnon"]
        self._cpu, self._memory = self.cpu, self.peak
        self._task = asyncio.ensure_future(self._sample())

    async def _sample(self) -> None:
        with suppress(OSError):  # it has ended
            while True:
                self.look()
                await asyncio.sleep(_SAMPLE_SECONDS)

    def look(self) -> None:
        """Take a sample now."""
        self.peak = max(self.peak, memory(self._pid).get("RssAnon", 0))
        self.cpu = max(self.cpu, cpu_of(self._pid))

    def end(self) -> tuple[float, int]:
        """Return the CPU seconds used, and by how many bytes the memory grew."""
        self._task.cancel()
        return self.cpu - self._cpu, self.peak - self._memory


async def _export(live: ServerProcess, key: str, name: str, query: str, count: int) -> Row:
    watch = _Watch(live.pid)
    size, lines, first, started = 0, 0, 0.0, time.perf_counter()
    async with (
        httpx.AsyncClient(base_url=live.base, timeout=600, headers=bearer(key)) as client,
        client.stream("GET", f"/mail/v1/export?{query}") as answer,
    ):
        assert answer.status_code == 200
        async for piece in answer.aiter_raw():
            first = first or time.perf_counter() - started
            size += len(piece)
            lines += piece.count(b"\n")
    took = time.perf_counter() - started
    if lines - ("csv" in query) != count:
        raise RuntimeError(f"{name}: {lines:,} lines instead of {count:,}")
    watch.look()
    cpu, growth = watch.end()
    return Row(name, took, cpu, first, size, growth)


async def _command(name: str, arguments: tuple[str, ...], url: str, file: Path) -> Row:
    started = time.perf_counter()
    command = (sys.executable, "-m", "diglot", "workspaces", *arguments, "--database", url)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    watch = _Watch(process.pid)
    # The contacts of a bench have tags without rows, which the check reports with exit code 1.
    if await process.wait() > 1:
        raise RuntimeError(f"{name}: exit code {process.returncode}")
    cpu, growth = watch.end()
    return Row(name, time.perf_counter() - started, cpu, 0, _size_of(file), growth)


def _size_of(file: Path) -> int:
    return file.stat().st_size


def report(rows: list[Row]) -> str:
    """Return the table."""
    lines = [
        "| | seconds | of CPU | to the first byte | MiB | memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        sizes = f"{row.size / MEGABYTE:,.0f} | {row.growth / MEGABYTE:,.0f}"
        lines.append(f"| {row.name} | {row.seconds:.1f} | {row.cpu:.1f} | {row.first:.1f} | {sizes} |")
    return "\n".join(lines)
