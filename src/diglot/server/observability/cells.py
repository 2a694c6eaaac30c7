"""Numbers that the processes of a server share, so that whichever of them answers shows the sums.

Each process has a slot of its own in one shared memory mapping, which the first process creates before it
starts the others. A slot is an array of doubles that only its process writes, so no update needs a lock; it
costs 0.1 us. When a process dies, what it counted stays in the slot, and the process that replaces it goes on
counting there. The slot also has the id of its process, because gauges of a dead process no longer count.

The library `prometheus_client` has a mode for several processes, too: one file for each process and kind of
metric. An update costs several times as much there, and files of dead processes accumulate.
"""

import mmap
import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

_DOUBLE: Final = 8
# Cells of the mapping before the first slot.
_DRAINING: Final = 0
_HEADER: Final = 1
# Cells of a slot before its figures.
_PROCESS: Final = 0
_SLOT_HEADER: Final = 1
# The process of a slot whose owner was forked but does not run yet.
_RESERVED: Final = -1.0


class SharedCells:
    """A mapping with a slot for each process; `size` is the number of figures of a slot."""

    def __init__(self, size: int, slots: int = 1) -> None:
        self._size = size
        self._width = _SLOT_HEADER + size
        self._slots = slots
        memory = mmap.mmap(-1, (_HEADER + slots * self._width) * _DOUBLE)
        self._cells: memoryview[float] = memoryview(memory).cast("d")
        self._slot = 0
        self._first_process = os.getpid()
        self._cells[self._start(0) + _PROCESS] = self._first_process

    def __reduce__(self) -> tuple[Any, ...]:
        """Return an empty mapping for a process that was not forked, as on macOS: it counts for itself."""
        return SharedCells, (self._size,)

    @property
    def figures(self) -> "memoryview[float]":
        """The figures of this process; only its event loop writes them."""
        start = self._start(self._slot) + _SLOT_HEADER
        return self._cells[start : start + self._size]

    @property
    def is_draining(self) -> bool:
        """Whether the server is about to stop, which the first process decides for all."""
        return self._cells[_DRAINING] > 0

    def drain(self) -> None:
        """Tell all processes that the server is about to stop."""
        self._cells[_DRAINING] = 1

    def share_with_forks(self) -> None:
        """Give each process that is forked from now on a slot of its own; this process gives up its own."""
        self._cells[self._start(0) + _PROCESS] = 0
        os.register_at_fork(before=self._reserve_slot, after_in_child=self._take_slot)

    def of_all_processes(self) -> Iterator[Sequence[float]]:
        """Yield the figures of each slot that was used, also of processes that have ended."""
        for slot in range(self._slots):
            start = self._start(slot)
            if self._cells[start + _PROCESS]:
                yield self._cells[start + _SLOT_HEADER : start + self._width].tolist()

    def of_live_processes(self) -> Iterator[Sequence[float]]:
        """Yield the figures of each process that runs."""
        for slot in range(self._slots):
            start = self._start(slot)
            if _is_alive(self._cells[start + _PROCESS]):
                yield self._cells[start + _SLOT_HEADER : start + self._width].tolist()

    def live_processes(self) -> list[int]:
        """Return the ids of the processes that run: those with a slot, and the first process."""
        owners = {int(self._cells[self._start(slot) + _PROCESS]) for slot in range(self._slots)}
        return sorted({owner for owner in owners if _is_alive(owner)} | {self._first_process})

    def _start(self, slot: int) -> int:
        return _HEADER + slot * self._width

    def _reserve_slot(self) -> None:
        """Choose the slot of the process that is about to be forked: one whose owner has ended."""
        owners = [self._cells[self._start(slot) + _PROCESS] for slot in range(self._slots)]
        self._slot = next((slot for slot, owner in enumerate(owners) if not _is_alive(owner)), self._slot)
        self._cells[self._start(self._slot) + _PROCESS] = _RESERVED

    def _take_slot(self) -> None:
        self._cells[self._start(self._slot) + _PROCESS] = os.getpid()


def _is_alive(process: float) -> bool:
    if process <= 0:
        return process == _RESERVED
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
