"""Turns of processes for the one write lock of a SQLite file.

SQLite gives its lock to whoever asks first after it is free: a process that writes without pause gets it
again and again, while others sleep up to 100 ms between their attempts. Here whoever wants to write first
takes the lock of a file, and gives it back once it has the lock of the database. So the process that wrote
last waits behind one that waited meanwhile. It is a matter of fairness alone: where the file cannot be
locked, writes go on without turns.
"""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from diglot.storage.sql.sqlite_file import EPHEMERAL_SUFFIX, create_private
from diglot.storage.sql.sqlite_module import sqlite3

TURNS_SUFFIX: Final = f"{EPHEMERAL_SUFFIX}-turns"
_RETRY_SECONDS: Final = 0.000_2
_EXCLUSIVE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB


class ProcessTurns:
    """The turns of this process at a database; a process waits at most `wait_seconds` for those before it."""

    def __init__(self, database: Path, wait_seconds: float) -> None:
        self.path = Path(f"{database}{TURNS_SUFFIX}")
        self._wait_seconds = wait_seconds
        self._descriptor: int | None = None
        self._version: int | None = None

    def open(self) -> None:
        """Open the file; without it there are no turns."""
        self.close()
        create_private(self.path)
        with suppress(OSError):
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = None

    def begin(self, connection: sqlite3.Connection) -> None:
        """Begin a write after the processes that wait; raise `sqlite3.OperationalError` as SQLite does."""
        taken = self._take()
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            if taken:
                self._give_back()

    def is_awaited(self) -> bool:
        """Return whether another process waits for the end of this write."""
        if self._lock():
            self._give_back()
            return False
        return self._descriptor is not None

    def others_wrote(self, connection: sqlite3.Connection) -> bool:
        """Return whether another process wrote since the last call."""
        (version,) = connection.execute("PRAGMA data_version").fetchone()
        before, self._version = self._version, version
        return before not in (None, version)

    def _take(self) -> bool:
        """Take the turn, or give up after some time: the process that has it may have been stopped."""
        until = time.monotonic() + self._wait_seconds
        while not self._lock():
            if self._descriptor is None or time.monotonic() >= until:
                return False
            time.sleep(_RETRY_SECONDS)
        return True

    def _lock(self) -> bool:
        if self._descriptor is None:
            return False
        try:
            fcntl.flock(self._descriptor, _EXCLUSIVE)
        except BlockingIOError:
            return False
        except OSError:
            # The file system has no locks.
            self.close()
            return False
        return True

    def _give_back(self) -> None:
        if self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
