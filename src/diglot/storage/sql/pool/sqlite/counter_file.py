"""Counts of requests in a file of fixed slots beside the database; a statement costs several times as much.

Each process reads and writes single slots under a lock of the file, so counts are exact between processes. A
process that dies loses its lock and nothing else: what it wrote is the kernel's. Nothing syncs the file. A
power cut may take back counts, or leave bytes that no slot has, which is no count of any key.

| bytes of a slot | |
|---|---|
| 0 to 15 | BLAKE2b of workspace, key and bucket; the file names nobody |
| 16 to 47 | window number, count, count of the previous window, end of the window after it (microseconds) |

A key has its slot in one of four pages of 64 slots, the first of which its digest names. A slot is free when
the window after its own has ended. The slots are read and written, not mapped into memory, because a process
that touches a mapping beyond the end of a shortened file is killed.

Measured: 4 us for two counts; the statement takes 21 to 26 us.
"""

import fcntl
import logging
import os
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from diglot.storage.sql.engine import EphemeralBusyError
from diglot.storage.sql.pool.sqlite.ephemeral_file import EPHEMERAL_BUSY_SECONDS
from diglot.storage.sql.request_counts import RateCount, RateRequest
from diglot.storage.sql.sqlite_file import EPHEMERAL_SUFFIX, create_private

log: Final = logging.getLogger("diglot")
COUNTS_SUFFIX: Final = f"{EPHEMERAL_SUFFIX}-counts"
MAGIC: Final = b"Diglot request counts 1\n"
# Key and bucket, window number, count, previous count, end of the window after this one.
SLOT: Final = struct.Struct("<16sqqqq")
SLOT_BYTES: Final = 64
PAGE_BYTES: Final = 4_096
# 131,072 slots: more than one process can fill in two minutes with the keys of 10,000 workspaces.
PAGES: Final = 2_048
PROBED_PAGES: Final = 4
# The first page has the magic bytes.
FILE_BYTES: Final = (PAGES + 1) * PAGE_BYTES
# No window is longer, so a later end is no end of a slot that was written.
_LONGEST_US: Final = 7 * 86_400_000_000
# How often a process looks whether the file was deleted.
LOOK_SECONDS: Final = 1.0
_RETRY_SECONDS: Final = 0.000_1


class _Damaged(Exception):
    """The file is shorter than it should be, or it is no file of counts."""


# Offset of the slot, window number, count, previous count.
_Slot = tuple[int, int, int, int]
_NO_WINDOW: Final = -2


class _Search(NamedTuple):
    """Where a slot is looked for: from which page, at what time, and not at the offset `taken`."""

    first: int
    now: int
    taken: int | None


class CounterFile:
    """The file of counts of a database; `note` is called with what makes it unusable for a while."""

    def __init__(self, database: Path, note: Callable[[str], None]) -> None:
        self.path = Path(f"{database}{COUNTS_SUFFIX}")
        self._note = note
        self._descriptor: int | None = None
        self._inode: tuple[int, int] | None = None
        self._next_look = 0.0

    def open(self) -> None:
        """Open the file; create it if it is missing, and empty it if it is damaged. Raise OSError."""
        self.close()
        create_private(self.path)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        self._descriptor, self._inode = descriptor, _inode_of(os.fstat(descriptor))
        _lock(descriptor)
        try:
            self._repair(descriptor)
        finally:
            _unlock(descriptor)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._descriptor = self._inode = None

    def count(self, workspace: int, requests: Sequence[RateRequest]) -> Sequence[RateCount]:
        """Count a request under each of its keys if all of them have room; return each count."""
        try:
            descriptor = self._current()
            _lock(descriptor)
            try:
                try:
                    return _count(descriptor, workspace, requests)
                except _Damaged:
                    self._repair(descriptor)
                    return _count(descriptor, workspace, requests)
            finally:
                _unlock(descriptor)
        except OSError as error:
            self._note(f"{str(self.path)!r} is not usable: {error}")
            raise EphemeralBusyError from error

    def _current(self) -> int:
        """Return the open file, opened anew if it was deleted or replaced."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            if self._descriptor is None or _inode(self.path) != self._inode:
                self.open()
        if self._descriptor is None:
            raise OSError("the file could not be opened")
        return self._descriptor

    def _repair(self, descriptor: int) -> None:
        """Make a file of counts of a new or damaged file; the lock is held."""
        size = os.fstat(descriptor).st_size
        if size == FILE_BYTES and os.pread(descriptor, len(MAGIC), 0) == MAGIC:
            return
        if size:
            log.warning("%s is damaged: it is made anew, which loses counts for rate limits", self.path)
        os.ftruncate(descriptor, 0)
        os.ftruncate(descriptor, FILE_BYTES)
        os.pwrite(descriptor, MAGIC, 0)


def _count(descriptor: int, workspace: int, requests: Sequence[RateRequest]) -> Sequence[RateCount]:
    counts: list[RateCount] = []
    slots: list[tuple[int, bytes]] = []
    for request in requests:
        digest, first = _locate(workspace, request.key, request.bucket)
        now, whole = request.window_number * request.window_us, request.window_us
        taken = slots[0][0] if slots else None
        offset, window, count, previous = _find(descriptor, digest, _Search(first, now, taken))
        if window == request.window_number - 1:
            count, previous = 0, count
        elif window != request.window_number:
            count = previous = 0
        has_room = previous * request.overlap_us + (count + 1) * whole <= request.allowed_requests * whole
        counts.append(RateCount(has_room, count + has_room, previous))
        slots.append((offset, SLOT.pack(digest, request.window_number, count + 1, previous, now + 2 * whole)))
    if all(count.is_counted for count in counts):
        for offset, slot in slots:
            os.pwrite(descriptor, slot, offset)
    return counts


@lru_cache(maxsize=16_384)
def _locate(workspace: int, key: str, bucket: str) -> tuple[bytes, int]:
    """Return the digest of a count, and the first page that may have its slot."""
    digest = blake2b(f"{workspace} {bucket} {key}".encode(), digest_size=16).digest()
    return digest, int.from_bytes(digest[:4]) % PAGES


def _find(descriptor: int, digest: bytes, search: _Search) -> _Slot:
    """Return the slot of a count, or a free one without counts."""
    pages = []
    for probe in range(PROBED_PAGES):
        start = PAGE_BYTES * (1 + (search.first + probe) % PAGES)
        page = os.pread(descriptor, PAGE_BYTES, start)
        if len(page) < PAGE_BYTES:
            raise _Damaged
        place = page.find(digest)
        while place >= 0 and place % SLOT_BYTES:
            place = page.find(digest, place + 1)
        if place >= 0:
            _, window, count, previous, _ = SLOT.unpack_from(page, place)
            return start + place, window, count, previous
        pages.append((start, page))
    return _find_free(pages, search), _NO_WINDOW, 0, 0


def _find_free(pages: Sequence[tuple[int, bytes]], search: _Search) -> int:
    """Return the offset of a free slot, or of the one that is free first."""
    ends: dict[int, int] = {}
    for start, page in pages:
        for place in range(0, PAGE_BYTES, SLOT_BYTES):
            ends_at = SLOT.unpack_from(page, place)[4]
            if start + place == search.taken:
                continue
            if not search.now < ends_at <= search.now + _LONGEST_US:
                return start + place
            ends[start + place] = ends_at
    log.warning("more requests are counted than the file of counts has room for: one count is lost")
    return min(ends, key=ends.__getitem__)


def _lock(descriptor: int) -> None:
    """Lock the file against other processes and other engines; raise OSError if one holds it too long."""
    until: float | None = None
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            now = time.monotonic()
            until = until or now + EPHEMERAL_BUSY_SECONDS
            if now > until:
                raise
            time.sleep(_RETRY_SECONDS)
        except OSError:
            # A file system without such locks: several processes are not kept apart.
            return
        else:
            return


def _unlock(descriptor: int) -> None:
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _inode_of(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        return _inode_of(path.stat())
    except FileNotFoundError:
        return None
