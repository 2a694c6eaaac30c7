"""Copies the write-ahead log of a SQLite file into the database, beside its writer.

SQLite itself does so in a commit that finds 1,000 pages in the log: it copies up to 8 MB and waits for their
sync, and all workspaces wait for that commit. Here another connection copies after some written rows what is
in the log by then, while the writer goes on. The commits of SQLite still find the log full, because only they
can begin it anew, but have little left to copy.
"""

import asyncio
from pathlib import Path
from typing import Final

from diglot.storage.sql.pool.sqlite.thread import ConnectionThread
from diglot.storage.sql.sqlite_module import is_mended, sqlite3

# About 300 pages: each row of an import changes some pages of indexes, of which many are the same.
ROWS: Final = 200
# Commits of fewer rows, such as a change of one contact, change the same pages again and again, which are
# copied once. So their rows count a part: a checkpoint after 30 of them took a tenth of their CPU time.
FEW_ROWS: Final = 50
_SHARE_OF_FEW: Final = 0.2


class Checkpoints:
    """The checkpoints of this process beside its writer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Beside another connection that writes, an older SQLite can corrupt the file.
        self._is_safe = is_mended(sqlite3.sqlite_version_info)
        self._thread: ConnectionThread | None = None
        self._rows = 0
        self._uncopied = 0.0
        self._running: asyncio.Task[None] | None = None

    def follow(self, rows: int) -> None:
        """Begin a checkpoint if enough was written since the last one, after a commit.

        `rows` is the number of all rows that the connection has written.
        """
        # A new connection of the writer counts from 0 again.
        written = rows - self._rows if rows >= self._rows else rows
        self._rows = rows
        self._uncopied += written if written >= FEW_ROWS else written * _SHARE_OF_FEW
        if self._is_safe and self._running is None and self._uncopied >= ROWS:
            self._uncopied = 0.0
            self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Close the connection after the checkpoint that it runs."""
        if self._running is not None:
            await self._running
        if self._thread is not None:
            await self._thread.close()
        self._thread = None

    async def _run(self) -> None:
        try:
            if self._thread is None:
                thread = ConnectionThread(self._path, 0)
                await thread
                self._thread = thread
            await self._thread.submit(_checkpoint)
        except sqlite3.Error:
            # The log keeps everything; a commit that has to copy it meets the same error.
            return
        finally:
            self._running = None


def _checkpoint(thread: ConnectionThread) -> None:
    thread.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
