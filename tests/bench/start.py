"""Compares the start of servers: CPU to the first response, memory, processes, and CPU of `--help`.

The other two servers need a separate virtual environment, because their dependencies differ from Diglot's:
`--others` names one that has them; otherwise the benchmark creates one and deletes it at the end.
`--python` names an interpreter that has the dependencies of Diglot alone: Litestar imports pydantic and attrs
where it finds them, as among the tools for development, and that costs a start 0.1 s.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final
from venv import EnvBuilder

import httpx

from bench.load import MEGABYTE, READY_SECONDS, TICKS, free_port, memory_of
from support.paths import ROOT

ROUNDS: Final = 5
OTHERS: Final = ("datasette==0.65", "moto[server]==5.2")
# The start is over by then: work that a server does after its first response is done or idle.
_SETTLE_SECONDS: Final = 0.7
_POLL_SECONDS: Final = 0.002


@dataclass(frozen=True)
class Program:
    """A server: the command without the port, and a path that answers 200."""

    name: str
    command: tuple[str, ...]
    start: tuple[str, ...]
    path: str
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Figures:
    """The measurements of one server in all rounds."""

    start_cpu: list[float] = field(default_factory=list)
    help_cpu: list[float] = field(default_factory=list)
    pss: list[float] = field(default_factory=list)
    processes: list[int] = field(default_factory=list)


def report(rounds: int, python: str, others: Path | None, before: Path | None) -> str:
    """Start each server once in each round, in turn, and return the table."""
    with _others_installed(others) as scripts, TemporaryDirectory() as folder:
        programs = _programs(python, scripts, before)
        results = {item.name: Figures() for item in programs}
        for _ in range(rounds + 1):
            for item in programs:
                _measure(item, folder, results[item.name])
    load = ", ".join(f"{item:.2f}" for item in os.getloadavg())
    lines = [
        "| server | CPU to the first 200, s | PSS, MiB | processes | CPU of `--help`, s |",
        "|---|---|---|---|---|",
        *(_row(name, figures) for name, figures in results.items()),
    ]
    return "\n".join([*lines, "", f"minimum / median of {rounds} rounds; load average at the end: {load}"])


def _programs(python: str, scripts: Path, before: Path | None) -> list[Program]:
    sources = {"diglot": ROOT / "src"} | ({} if before is None else {"diglot before": before})
    start = ("serve", "--database", "{folder}/{name}.db", "--port", "{port}")
    ours = (python, "-m", "diglot")
    return [
        *(
            Program(name, ours, start, "/health", {"PYTHONPATH": str(_with_bytecode(source))})
            for name, source in sources.items()
        ),
        Program(
            "datasette",
            (str(scripts / "datasette"),),
            ("serve", "{folder}/{name}.db", "--create", "--port", "{port}"),
            "/-/versions.json",
        ),
        Program(
            "moto_server",
            (str(scripts / "moto_server"),),
            ("--host", "127.0.0.1", "--port", "{port}"),
            "/moto-api/",
        ),
    ]


@contextmanager
def _others_installed(given: Path | None) -> Iterator[Path]:
    """Lend the folder of scripts of an environment with the other servers."""
    if given is not None:
        _with_bytecode(given / "lib")
        yield given / "bin"
        return
    with TemporaryDirectory() as folder:
        EnvBuilder(with_pip=True).create(folder)
        scripts = Path(folder, "bin")
        subprocess.run([scripts / "pip", "install", "--quiet", "--compile", *OTHERS], check=True)
        yield scripts


def _with_bytecode(source: Path) -> Path:
    """Compile a folder, because a start without bytecode measures the compiler."""
    subprocess.run([sys.executable, "-m", "compileall", "-q", source], check=True, stdout=subprocess.DEVNULL)
    return source


def _measure(program: Program, folder: str, figures: Figures) -> None:
    """Run one round; the first fills the caches of the system and does not count."""
    first = not Path(folder, program.name).exists()
    Path(folder, program.name).touch()
    cpu, pss, processes = _start(program, folder)
    help_cpu = _help(program)
    if not first:
        figures.start_cpu.append(cpu)
        figures.pss.append(pss)
        figures.processes.append(processes)
        figures.help_cpu.append(help_cpu)


def _environment(program: Program) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DIGLOT_"))}
    return kept | dict(program.environment)


def _start(program: Program, folder: str) -> tuple[float, float, int]:
    """Start a server; return its CPU seconds to the first 200, its MiB a moment later, its processes."""
    port = free_port()
    values = {"folder": folder, "name": program.name, "port": port}
    command = [*program.command, *(item.format(**values) for item in program.start)]
    with Path(folder, f"{program.name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=_environment(program),
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(f"http://127.0.0.1:{port}{program.path}", process)
        cpu = sum(_cpu(item) for item in _session(process.pid))
        time.sleep(_SETTLE_SECONDS)
        processes = _session(process.pid)
        return cpu, sum(memory_of(item)["Pss"] for item in processes) / MEGABYTE, len(processes)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} stopped with {process.returncode}") from None
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"{process.args!r} did not answer")


def _session(leader: int) -> list[int]:
    """Return the processes of a session: the server and all that it started."""
    return [pid for pid, fields in _processes() if int(fields[3]) == leader]


def _processes() -> Iterator[tuple[int, Sequence[str]]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        yield int(folder.name), text.rpartition(")")[2].split()


def _cpu(pid: int) -> float:
    """Return the CPU seconds of a process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICKS


def _help(program: Program) -> float:
    """Return the CPU seconds of `--help`."""
    null = subprocess.DEVNULL
    command = [*program.command, "--help"]
    process = subprocess.Popen(command, env=_environment(program), stdout=null, stderr=null)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command!r} left with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def _row(name: str, figures: Figures) -> str:
    def both(values: Sequence[float], digits: int) -> str:
        return f"{min(values):.{digits}f} / {median(values):.{digits}f}"

    start, memory, shown = both(figures.start_cpu, 2), both(figures.pss, 0), both(figures.help_cpu, 3)
    return f"| {name} | {start} | {memory} | {max(figures.processes)} | {shown} |"
