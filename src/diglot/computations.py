"""Long computations of a process: off the event loop, and one or two at a time.

Each thread that computes wants the interpreter, and the event loop asks for it several times in a request:
with six threads it waits six times as long as with one. All computations together take no longer one after
another, because they would share one interpreter.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, TypeVar

T = TypeVar("T")
# How long a thread keeps the interpreter while another waits for it; Python's default is ten times as long.
SWITCH_SECONDS: Final = 0.0001
# About as long as a turn on the event loop, so that half of the time is for others.
PAUSE_SECONDS: Final = 0.01
# Freeing so many contacts takes about 0.5 ms.
FORGOTTEN_AT_ONCE: Final = 500

# They have no threads before their first use, so processes can be forked until then.
_of_requests: Final = ThreadPoolExecutor(1, "computation")
_of_units: Final = ThreadPoolExecutor(1, "computation of units")


async def compute(function: Callable[[], T], *, in_unit: bool = False) -> T:
    """Return the result of a function, which must not wait for another computation.

    A unit of work, which holds a connection and perhaps a lock, waits only for other units.
    """
    work = partial(copy_context().run, function)
    executor = _of_units if in_unit else _of_requests
    return await asyncio.get_running_loop().run_in_executor(executor, work)


class LoopTurns:
    """Turns for computations of some milliseconds on the event loop, which runs all that is ready at once.

    Twenty requests that arrive together would stop it for twenty times as long.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def take(self) -> None:
        """Wait for a turn; after that of somebody else, the loop is first left to others for a while."""
        pause = PAUSE_SECONDS if self._lock.locked() else 0
        async with self._lock:
            await asyncio.sleep(pause)


def drain(items: list[T]) -> Iterator[T]:
    """Yield the items of a list, and forget each when the next one is asked for.

    To free 10,000 contacts at once holds up all threads for 10 ms, because it is one step of the interpreter.
    """
    items.reverse()
    while items:
        yield items.pop()


async def forget(items: list[T]) -> None:
    """Empty a list in steps, between which the event loop is left to others."""
    while items:
        del items[-FORGOTTEN_AT_ONCE:]
        await asyncio.sleep(0)


def favor_event_loop() -> None:
    """Have threads that compute pass the interpreter on sooner, for the whole process."""
    sys.setswitchinterval(SWITCH_SECONDS)
