"""Processes that write one SQLite file take turns; without the file of turns they still write."""

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

import pytest

from diglot.storage.sql.pool.sqlite.process_turns import ProcessTurns
from diglot.storage.sql.pool.sqlite.thread import open_connection
from diglot.storage.sql.sqlite_file import prepare_file
from diglot.storage.sql.sqlite_module import sqlite3

SECONDS = 30.0


class Process:
    """A process that writes: its turns, and its connection, which any thread may use."""

    def __init__(self, path: Path, wait_seconds: float = SECONDS) -> None:
        self.turns = ProcessTurns(path, wait_seconds)
        self.turns.open()
        self.connection = open_connection(path, SECONDS, shared=True)

    def begin(self) -> None:
        """Begin a write."""
        self.turns.begin(self.connection)

    def write(self, value: str) -> None:
        """Write a value."""
        self.begin()
        self.commit(value)

    def commit(self, value: str) -> None:
        """Write a value and end the write."""
        self.connection.execute("INSERT INTO written VALUES (?)", (value,))
        self.connection.execute("COMMIT")

    def close(self) -> None:
        """Close all."""
        self.turns.close()
        self.connection.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file with a table."""
    prepared = tmp_path / "diglot.db"
    prepare_file(prepared)
    with closing(open_connection(prepared, SECONDS)) as connection:
        connection.execute("CREATE TABLE written (value TEXT)")
    return prepared


@pytest.fixture
def two(path: Path) -> Iterator[tuple[Process, Process]]:
    """Lend two processes of one file."""
    with closing(Process(path)) as one, closing(Process(path)) as other:
        yield one, other


def values(connection: sqlite3.Connection) -> list[str]:
    """Return what was written, in order."""
    return [value for (value,) in connection.execute("SELECT value FROM written ORDER BY rowid")]


def test_the_process_that_waits_writes_next(two: tuple[Process, Process]) -> None:
    """A process that writes again at once waits for the one that waited meanwhile."""
    one, other = two
    one.begin()
    assert not one.turns.is_awaited()
    waiting = threading.Thread(target=other.write, args=("other",))
    waiting.start()
    while not one.turns.is_awaited():
        assert waiting.is_alive()
    one.commit("one")
    one.write("again")
    waiting.join(SECONDS)
    assert values(one.connection) == ["one", "other", "again"]
    assert not one.turns.is_awaited()


def test_a_process_that_was_stopped_has_no_turn_for_ever(path: Path) -> None:
    """Whoever waited long enough asks SQLite without a turn."""
    with closing(Process(path)) as stopped, closing(Process(path, 0)) as going:
        held = os.open(stopped.turns.path, os.O_RDWR)
        fcntl.flock(held, fcntl.LOCK_EX)
        going.begin()
        assert going.turns.is_awaited()
        going.commit("written")
        os.close(held)
        assert values(stopped.connection) == ["written"]


def test_the_writes_of_another_process_are_noticed(two: tuple[Process, Process]) -> None:
    """Own writes are not, nor is anything at the first look."""
    one, other = two
    noticed: SimpleQueue[bool] = SimpleQueue()

    def write(process: Process) -> None:
        process.begin()
        noticed.put(process.turns.others_wrote(process.connection))
        process.commit("x")

    for process in (one, one, other, other, one, one):
        write(process)
    assert [noticed.get() for _ in range(6)] == [False, False, False, False, True, False]


def test_writes_go_on_without_a_file_of_turns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that takes no file, or a file system without locks, only costs fairness."""
    with closing(Process(path)) as one:
        one.turns.path.unlink()
        one.turns.path.mkdir()
        one.turns.open()
        one.begin()
        assert not one.turns.is_awaited()
        one.commit("without a file")
    one.turns.path.rmdir()

    def refuse(*_: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    with closing(Process(path)) as other:
        monkeypatch.setattr(fcntl, "flock", refuse)
        other.begin()
        other.commit("without locks")
        assert values(other.connection) == ["without a file", "without locks"]
    assert other.turns.path.stat().st_mode & 0o777 == 0o600
