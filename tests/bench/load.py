"""Generates load over keep-alive connections. Measures the CPU time of a server process with its children."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

TICKS = os.sysconf("SC_CLK_TCK")
CONNECTIONS = 16
READY_SECONDS = 30.0
MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Served:
    """A server under granian: its name in the table, its process and its port."""

    name: str
    process: "subprocess.Popen[bytes]"
    port: int

    def cpu(self) -> float:
        """Return the CPU seconds used so far by the process and its children."""
        return cpu_of(self.process.pid)


def _parent(pid: str) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def family(pid: int) -> Iterator[int]:
    """Yield a process and its children (granian's workers have none)."""
    yield pid
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if _parent(folder.name) == pid:
                yield int(folder.name)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process and its children have used."""
    return sum(_cpu(one) for one in family(pid))


def _cpu(pid: int) -> float:
    # The clock of a process, in nanoseconds; what /proc says is in hundredths of a second.
    return time.clock_gettime(~pid << 3 | 2)


def memory(pid: int) -> dict[str, int]:
    """Return the memory sizes of a process and its children in bytes, by the kernel's names for them.

    The `VmRSS` of each process includes shared pages; `Pss` counts these pages once in total.
    """
    total: Counter[str] = Counter()
    for process in family(pid):
        total.update(memory_of(process))
    return total


def _lines(pid: int, name: str) -> list[str]:
    return Path(f"/proc/{pid}/{name}").read_text().splitlines()


def memory_of(pid: int) -> dict[str, int]:
    """Return the memory sizes of one process."""
    lines = [line for name in ("status", "smaps_rollup") for line in _lines(pid, name)]
    pairs = (line.partition(":") for line in lines if line.endswith(" kB"))
    return {name: int(value.split()[0]) * 1024 for name, _, value in pairs}


def reset_peaks(pid: int) -> None:
    """Reset the peak memory of a process and its children."""
    for process in family(pid):
        Path(f"/proc/{process}/clear_refs").write_text("5")


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def served(name: str, target: str, environment: Mapping[str, str], *, factory: bool) -> Iterator[Served]:
    """Serve an ASGI app with granian and one worker, as every side of a comparison does."""
    port = free_port()
    options = ["--interface", "asgi", "--loop", "uvloop", "--no-access-log", "--log-level", "error"]
    command = [sys.executable, "-m", "granian", *options, "--port", str(port), target]
    process = subprocess.Popen(
        [*command, "--factory"] if factory else command, env={**os.environ, **environment}
    )
    try:
        _wait(port, process)
        yield Served(name, process, port)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            urlopen(f"http://127.0.0.1:{port}/health", timeout=1).close()
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("the server stopped") from None
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not answer")


async def fetch(port: int, path: str, headers: Mapping[str, str], count: int, method: str = "GET") -> bytes:
    """Send a request a given number of times over several connections; return a body of the last ones."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: bench",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    shares = [count // CONNECTIONS + (index < count % CONNECTIONS) for index in range(CONNECTIONS)]
    bodies = await asyncio.gather(*(_connection(port, request, share) for share in shares if share))
    return bodies[0]


async def _connection(port: int, request: bytes, count: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    body = b""
    for _ in range(count):
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 200"):
            raise RuntimeError(head.decode())
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
    writer.close()
    await writer.wait_closed()
    return body
