"""Counts of requests in a file of fixed slots beside the database; a statement costs several times as much.

Each process reads a page of slots, changes some and writes the page under a lock of the file, so counts are
exact between processes. A process that dies loses its lock and nothing else: what it wrote is the kernel's.
Nothing syncs the file. A power cut may take back counts, or leave bytes that no slot has, which is no count
of any key.

| bytes of a slot | |
|---|---|
| 0 to 15 | BLAKE2b of workspace, key and bucket; the file names nobody |
| 16 to 47 | window number, count, count of the previous window, end of the window after it (microseconds) |

A page has 64 slots. What all keys of a workspace share has its slot in one of four pages, the first of which
its digest names. So has a key, but the first page of what is shared comes before its own: both slots of a
request are usually in one page, which is read and written once. A slot is free when the window after its own
has ended. Pages are read and written, not mapped into memory, because a process that touches a mapping beyond
the end of a shortened file is killed.
"""

import fcntl
import logging
import os
import struct
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Final

from diglot.caches import LoopMemo
from diglot.storage.sql.engine import EphemeralBusyError
from diglot.storage.sql.pool.sqlite.ephemeral_file import EPHEMERAL_BUSY_SECONDS
from diglot.storage.sql.request_counts import SHARED_KEY, RateCount, RateRequest
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
_EXCLUSIVE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB


class _Damaged(Exception):
    """The file is shorter than it should be, or it is no file of counts."""


class _Place:
    """Where the slot of a key is: its digest, the pages that may have it, and where it was found last."""

    __slots__ = ("at", "digest", "page", "pages")
    # A place with its key in the memory.
    weight = 500

    def __init__(self, digest: bytes, pages: tuple[int, ...]) -> None:
        self.digest, self.pages = digest, pages
        self.page, self.at = pages[0], 0


_MAX_PLACES: Final = 16_384
# The pages that a count has read and may change, by their offsets in the file.
_Pages = dict[int, bytearray]
_NO_WINDOW: Final = -2


class CounterFile:
    """The file of counts of a database; `note` is called with what makes it unusable for a while."""

    def __init__(self, database: Path, note: Callable[[str], None]) -> None:
        self.path = Path(f"{database}{COUNTS_SUFFIX}")
        self._note = note
        self._descriptor: int | None = None
        self._inode: tuple[int, int] | None = None
        self._next_look = 0.0
        # By workspace, key and bucket.
        self._places: LoopMemo[tuple[int, str, str], _Place] = LoopMemo(_MAX_PLACES * _Place.weight)

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

    def count(self, workspace: int, request: RateRequest) -> RateCount:
        """Count a request if there is room for it."""
        try:
            descriptor = self._current()
            _lock(descriptor)
            try:
                return self._count(descriptor, workspace, request)
            except _Damaged:
                self._repair(descriptor)
                return self._count(descriptor, workspace, request)
            finally:
                _unlock(descriptor)
        except OSError as error:
            self._note(f"{str(self.path)!r} is not usable: {error}")
            raise EphemeralBusyError from error

    def _count(self, descriptor: int, workspace: int, request: RateRequest) -> RateCount:
        key, bucket, window, overlap, whole, allowed, shared_allowed = request
        rates = ((key, allowed), (SHARED_KEY, shared_allowed)) if shared_allowed else ((key, allowed),)
        pages: _Pages = {}
        end, of_key = (window + 2) * whole, None
        for name, most in rates:
            place = self._places.get((workspace, name, bucket)) or self._locate(workspace, name, bucket)
            page = pages.get(place.page) or _load(descriptor, place.page)
            if not page.startswith(place.digest, place.at):
                page = _find(descriptor, place, pages, end - 2 * whole)
            pages[place.page] = page
            _, counted, count, previous, _ = SLOT.unpack_from(page, place.at)
            if counted != window:
                count, previous = 0, count if counted == window - 1 else 0
            if previous * overlap + (count + 1) * whole > most * whole:
                return RateCount(False, count, previous, of_key is not None)
            SLOT.pack_into(page, place.at, place.digest, window, count + 1, previous, end)
            of_key = of_key or RateCount(True, count + 1, previous)
        for start, page in pages.items():
            os.pwrite(descriptor, page, start)
        assert of_key is not None
        return of_key

    def _locate(self, workspace: int, key: str, bucket: str) -> _Place:
        """Return the place of a key that is not remembered, where its slot was not looked for yet."""
        digest, first = _locate(workspace, key, bucket)
        _, shared = _locate(workspace, SHARED_KEY, bucket)
        numbers = dict.fromkeys((shared, *(first + probe for probe in range(PROBED_PAGES))))
        place = _Place(digest, tuple(PAGE_BYTES * (1 + number % PAGES) for number in numbers))
        self._places.put((workspace, key, bucket), place)
        return place

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


def _locate(workspace: int, key: str, bucket: str) -> tuple[bytes, int]:
    """Return the digest of a count, and the first page that may have its slot."""
    digest = blake2b(f"{workspace} {bucket} {key}".encode(), digest_size=16).digest()
    return digest, int.from_bytes(digest[:4]) % PAGES


def _load(descriptor: int, start: int) -> bytearray:
    page = bytearray(os.pread(descriptor, PAGE_BYTES, start))
    if len(page) < PAGE_BYTES:
        raise _Damaged
    return page


def _find(descriptor: int, place: _Place, pages: _Pages, now: int) -> bytearray:
    """Return the page that has the slot of a key, maybe a new one without counts, and note its place."""
    looked = {}
    for start in place.pages:
        looked[start] = page = pages.get(start) or _load(descriptor, start)
        found = page.find(place.digest)
        while found >= 0 and found % SLOT_BYTES:
            found = page.find(place.digest, found + 1)
        if found >= 0:
            place.page, place.at = start, found
            return page
    place.page, place.at = _find_free(looked, now)
    page = looked[place.page]
    SLOT.pack_into(page, place.at, place.digest, _NO_WINDOW, 0, 0, 0)
    return page


def _find_free(pages: _Pages, now: int) -> tuple[int, int]:
    """Return the page and the place in it of a free slot, or of the one that is free first."""
    ends: dict[tuple[int, int], int] = {}
    for start, page in pages.items():
        for at in range(0, PAGE_BYTES, SLOT_BYTES):
            ends_at = SLOT.unpack_from(page, at)[4]
            if not now < ends_at <= now + _LONGEST_US:
                return start, at
            ends[start, at] = ends_at
    log.warning("more requests are counted than the file of counts has room for: one count is lost")
    return min(ends, key=ends.__getitem__)


def _lock(descriptor: int) -> None:
    """Lock the file against other processes and other engines; raise OSError if one holds it too long."""
    until: float | None = None
    while True:
        try:
            fcntl.flock(descriptor, _EXCLUSIVE)
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
    try:  # noqa: SIM105 - a context manager costs each request 0.4 us
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except OSError:
        pass


def _inode_of(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        return _inode_of(path.stat())
    except FileNotFoundError:
        return None
