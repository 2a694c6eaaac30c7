"""Writes in parts: a write of many contacts is several transactions, and other writers get turns in between.

SQLite has one writer for all workspaces, and on both databases a transaction keeps its workspace locked. Each
part is a write unit of its own: it takes its own instant, reads what is stored under its lock, and stores the
progress that it made. If a write is interrupted, a retry with the same idempotency key continues after the
last part and reports all parts; two requests with one key at the same time share the parts.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from diglot.caches import CacheSlot, SharedCache
from diglot.clock import Clock
from diglot.membership.index_ahead import index_ahead
from diglot.storage.sql.engine import Engine
from diglot.storage.write_unit import MOVES_MEMBERS, WriteUnit, lock_workspace

# How long a part should hold the lock. A commit costs 2 to 10 ms, so much shorter parts would cost an import
# a tenth of its speed; a writer of another workspace waits for one part.
PART_SECONDS: Final = 0.06
# While other workspaces write to the same file, each of their writes may wait for a part.
SHARED_PART_SECONDS: Final = 0.008
# Matching one contact against 10,000 rules takes about 10 ms, so the first part is small.
FIRST_PART: Final = 16
SMALLEST_PART: Final = 8
LARGEST_PART: Final = 1_000
# A part is at most this many times as large as the one before it, because it may meet more competition.
MAX_GROWTH: Final = 2
_REMEMBERED_SIZES: Final = 10_000
_encode: Final = msgspec.json.Encoder().encode


class Progress(msgspec.Struct):
    """What the parts so far have done; a write adds its own counts. It holds no personal data."""

    next_item: int = 0


P = TypeVar("P", bound=Progress)


def seconds_for(unit: WriteUnit) -> float:
    """Return how long a part should hold the lock of a unit."""
    return SHARED_PART_SECONDS if unit.transaction.others_write else PART_SECONDS


class Checkpoint(Protocol):
    """Keeps the encoded progress of one write in parts."""

    async def load(self, unit: WriteUnit) -> bytes | None:
        """Return the progress that was stored last, or None at the beginning."""

    async def save(self, unit: WriteUnit, progress: bytes) -> None:
        """Store the progress, in the transaction of the part that made it."""


class Memory:
    """The checkpoint of a write without an idempotency key: nobody could ask for its progress later."""

    def __init__(self) -> None:
        self._progress: bytes | None = None

    async def load(self, unit: WriteUnit) -> bytes | None:
        del unit
        return self._progress

    async def save(self, unit: WriteUnit, progress: bytes) -> None:
        del unit
        self._progress = progress


@dataclass(slots=True)
class PartSize:
    """The number of items in the next part, adapted to the time that the last one took."""

    items: int = FIRST_PART
    segments_version: int | None = None

    def begin(self, segments_version: int) -> int:
        """Return the number of items in a part; other segments may need much more time for each item."""
        if self.segments_version not in (None, segments_version):
            self.items = FIRST_PART
        self.segments_version = segments_version
        return self.items

    def adapt(self, items: int, seconds: float, target: float = PART_SECONDS) -> None:
        """Choose the next size after a part with some items has taken some seconds; it should take `target`.

        The last part of a write may have few items, which take longer each: it does not lower the size unless
        it took too long.
        """
        fitting = int(items * target / max(seconds, 1e-6))
        smallest = self.items if seconds <= target else SMALLEST_PART
        self.items = max(smallest, min(fitting, MAX_GROWTH * self.items, LARGEST_PART))


# The sizes of the last parts, by workspace and kind of progress: who imports often pays once for small parts.
_SIZES: Final = CacheSlot[SharedCache[tuple[int, type[Progress]], PartSize]](
    "sizes of parts", 0, lambda _: SharedCache(_REMEMBERED_SIZES)
)


def _size_of(engine: Engine, workspace: int, kind: type[Progress]) -> PartSize:
    sizes = engine.process_cache.of(_SIZES)
    size = sizes.get((workspace, kind))
    if size is None:
        size = PartSize()
        sizes.put((workspace, kind), size)
    return size


@dataclass(frozen=True, slots=True)
class PartwiseWrite(Generic[P]):
    """A write of `item_count` items. `write_part` writes the items before an end and updates the progress.

    The items begin at `next_item` of the progress.
    """

    item_count: int
    progress_type: type[P]
    write_part: Callable[[WriteUnit, P, int], Awaitable[None]]

    async def run(self, engine: Engine, workspace: int, clock: Clock, checkpoint: Checkpoint) -> P:
        """Write all items that are not written yet; return the progress of all parts."""
        progress, size = self.progress_type(), _size_of(engine, workspace, self.progress_type)
        while progress.next_item < self.item_count:
            # Other requests may have changed segments since the last part.
            await index_ahead(engine, workspace)
            part = partial(self._run_part, checkpoint, size)
            work = lock_workspace(workspace, clock, part, MOVES_MEMBERS)
            progress = await engine.write(work, workspace=workspace)
        return progress

    async def _run_part(self, checkpoint: Checkpoint, size: PartSize, unit: WriteUnit) -> P:
        began = time.perf_counter()
        stored = await checkpoint.load(unit)
        progress = (
            self.progress_type() if stored is None else msgspec.json.decode(stored, type=self.progress_type)
        )
        first = progress.next_item
        end = min(first + size.begin(unit.row.segments_version), self.item_count)
        if first < end:
            unit.share = (end - first) / self.item_count
            await self.write_part(unit, progress, end)
            progress.next_item = end
            await checkpoint.save(unit, _encode(progress))
            # Until here the part only says what it writes.
            await unit.flush()
            await unit.transaction.send_writes()
            size.adapt(end - first, time.perf_counter() - began, seconds_for(unit))
        return progress
