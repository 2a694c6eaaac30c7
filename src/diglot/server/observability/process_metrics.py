"""Metrics of the processes themselves, in the names that Prometheus' libraries use, and what they run.

They are sums over all processes of the server; the time of the start is that of the first.
"""

import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from diglot import __version__
from diglot.server.observability.families import COUNTER, GAUGE, Family

START_TIME: Final = "process_start_time_seconds"
CPU_TIME: Final = "process_cpu_seconds_total"
PROCESS_FAMILIES: Final = (
    Family(CPU_TIME, COUNTER, "CPU time of all processes of the server, also of those that have ended."),
    Family("process_resident_memory_bytes", GAUGE, "Resident memory; shared pages count in each process."),
    Family("process_virtual_memory_bytes", GAUGE, "Virtual memory."),
    Family("process_open_fds", GAUGE, "Open files, connections included."),
    Family("process_max_fds", GAUGE, "Limit of open files."),
    Family(START_TIME, GAUGE, "Start of the first process, in seconds since 1970."),
)
PROCESSES: Final = Family("diglot_processes", GAUGE, "Processes of the server that run.")
BUILD_INFO: Final = Family(
    "diglot_build_info",
    GAUGE,
    "Always 1; the labels are the versions.",
    ("version", "python", "database"),
)
DATABASE_UP: Final = Family(
    "diglot_database_up",
    GAUGE,
    "1 if the database answered a moment ago, else 0.",
)
DATABASE_COMPLETE: Final = Family(
    "diglot_database_complete",
    GAUGE,
    "1 if all of the database could be read a moment ago, else 0; its counters are then absent, and its"
    " gauges are of the nodes that answer.",
)
DISK_FREE: Final = Family("diglot_disk_free_bytes", GAUGE, "Free space on the disk of the SQLite file.")
FILE_SIZE: Final = Family(
    "diglot_database_file_bytes",
    GAUGE,
    "Size of the SQLite file, its write-ahead log, and the file of rate counts.",
    ("file",),
)
# Fields of /proc/PID/stat after the name of the program: CPU time of children that were waited for.
_CHILD_TIMES: Final = slice(13, 15)


def measure_processes(processes: Iterable[int]) -> dict[str, float]:
    """Return the sums over processes by the name of the metric; empty where there is no /proc."""
    from prometheus_client import ProcessCollector  # noqa: PLC0415 - a start exports nothing

    sums: dict[str, float] = {}
    for process in processes:
        for metric in ProcessCollector(pid=lambda process=process: process, registry=None).collect():  # type: ignore[misc]
            for sample in metric.samples:
                value, known = sample.value, sums.get(sample.name)
                sums[sample.name] = (
                    value
                    if known is None
                    else min(known, value)
                    if sample.name == START_TIME
                    else known + value
                )
    if CPU_TIME in sums:
        sums[CPU_TIME] += sum(map(_child_seconds, processes))
    return sums


def build_labels(database: str) -> Mapping[str, str]:
    """Return the labels of the build; `database` is its name and version."""
    return {"version": __version__, "python": platform.python_version(), "database": database}


def _child_seconds(process: int) -> float:
    """Return the CPU time of the children of a process that have ended: of workers that died."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[_CHILD_TIMES])) / os.sysconf("SC_CLK_TCK")
