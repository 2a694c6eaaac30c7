"""Processes that commit and checkpoint one SQLite file at once, and a look at what is left of their commits.

    python -m support.faults.committers FILE --seconds 60 --module sqlite3

Commits are small and a few pages are checkpointed at a time, because the WAL-reset bug needs a checkpoint in
one process while another one begins the write-ahead log anew. The moment for that lasts less than a
microsecond, so half of the checkpoints pause in it. Without `--module` the library of the product is used.
The command prints the number of commits, or raises RuntimeError with what is wrong with the file: Python's
own SQLite 3.40.1 loses commits within seconds.
"""

import argparse
import importlib
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, Final

from support.faults.sqlite_hooks import Hooks, install

PROCESSES: Final = 4
PRODUCT: Final = "diglot.storage.sql.sqlite_module"
ROWS: Final = 40
# One row a page.
FILLING: Final = b"x" * 3_000
_ROWS_AT_ONCE: Final = 12
_CHECKPOINT_PAGES: Final = 4
_CHECKPOINT_SHARE: Final = 0.8
_BUSY_SECONDS: Final = 60
_LONGEST_PAUSE: Final = 0.002


class PausedCheckpoints(Hooks):
    """Pauses half of the checkpoints after they have read how long the log is, and before they copy it."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def before_unfetch(self, path: str) -> None:
        del path
        if self._rng.random() < 0.5:
            time.sleep(self._rng.uniform(0, _LONGEST_PAUSE))


def commit_and_check(file: Path, seconds: float, module: str = PRODUCT) -> int:
    """Commit from several processes at once; return how many commits there were.

    Raise RuntimeError if a process fails, if the file is damaged, or if a commit is missing.
    """
    with closing(_connect(file, library(module))) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE rows (process, row, number, filling, PRIMARY KEY (process, row))")
        connection.execute("BEGIN")
        every = [(process, row, 0, FILLING) for process in range(PROCESSES) for row in range(ROWS)]
        connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", every)
        connection.execute("COMMIT")
    expected, commits = _commit(file, seconds, module)
    with closing(_connect(file, library(module))) as connection:
        verdict = connection.execute("PRAGMA integrity_check(3)").fetchall()
        found = connection.execute("SELECT number FROM rows ORDER BY process, row").fetchall()
    if verdict != [("ok",)]:
        raise RuntimeError(f"after {commits} commits: {verdict}")
    lost = sum(number != (there,) for number, there in zip(found, expected, strict=True))
    if lost:
        raise RuntimeError(f"{lost} of {len(found)} rows are not as committed, after {commits} commits")
    return commits


def library(module: str) -> ModuleType:
    """Import a DB-API module, or the one that the product chose."""
    imported = importlib.import_module(module)
    chosen: ModuleType = getattr(imported, "sqlite3", imported)
    return chosen


def _commit(file: Path, seconds: float, module: str) -> tuple[Sequence[int], int]:
    """Return the number in each row after all commits, and the number of commits."""
    spawned = multiprocessing.get_context("spawn")
    results = spawned.SimpleQueue()
    started = spawned.Barrier(PROCESSES, timeout=_BUSY_SECONDS)
    processes = [
        spawned.Process(target=_work, args=(file, seconds, module, number, started, results))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    outcomes = dict(results.get() for _ in processes)
    for process in processes:
        process.join(_BUSY_SECONDS)
    if failures := [outcome for outcome in outcomes.values() if isinstance(outcome, str)]:
        raise RuntimeError(failures[0])
    numbers = [number for process in range(PROCESSES) for number in outcomes[process][0]]
    return numbers, sum(count for _, count in outcomes.values())


def _work(file: Path, seconds: float, module: str, process: int, started: Any, results: Any) -> None:  # noqa: PLR0913, PLR0917
    """Put the numbers in the rows of this process and its number of commits, or its error as text."""
    rng = Random(process)
    try:
        chosen = library(module)
        install(chosen, PausedCheckpoints(rng))
        with closing(_connect(file, chosen)) as connection:
            started.wait()
            results.put((process, _commit_until(connection, time.monotonic() + seconds, process, rng)))
    except Exception as error:  # noqa: BLE001 - any error of a process is a result
        results.put((process, repr(error)))


def _commit_until(connection: Any, end: float, process: int, rng: Random) -> tuple[Sequence[int], int]:
    numbers, commits = [0] * ROWS, 0
    while time.monotonic() < end:
        if rng.random() < _CHECKPOINT_SHARE:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            continue
        commits += 1
        # A long log that another process begins anew with a short one is what a stale checkpoint damages.
        chosen = rng.sample(range(ROWS), rng.choice((1, 1, 1, _ROWS_AT_ONCE)))
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            # A lost commit stays visible, because later ones add to what is there.
            "UPDATE rows SET number = number + 1 WHERE process = ? AND row = ?",
            [(process, row) for row in chosen],
        )
        connection.execute("COMMIT")
        for row in chosen:
            numbers[row] += 1
    return numbers, commits


def _connect(file: Path, module: Any) -> Any:
    connection = module.connect(file, isolation_level=None, timeout=_BUSY_SECONDS)
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    # Syncs change nothing for a process that goes on; without them there are more commits in a second.
    connection.execute("PRAGMA synchronous=OFF")
    return connection


def main() -> None:
    """Commit to a new file, and print the version of the library and the number of commits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--module", default=PRODUCT)
    given = parser.parse_args()
    print(library(given.module).sqlite_version, flush=True)
    commits = commit_and_check(given.file, given.seconds, given.module)
    print(f"{commits:,} commits: all are there, and the file is whole")


if __name__ == "__main__":
    main()
