"""Long computations of a process: off the event loop, and one at a time.

Each thread that computes wants the interpreter, and the event loop asks for it several times in a request:
with six threads it waits six times as long as with one. All computations together take no longer one after
another, because they would share one interpreter.
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, TypeVar

T = TypeVar("T")
# How long a thread keeps the interpreter while another waits for it; Python's default is ten times as long.
SWITCH_SECONDS: Final = 0.0005

# It has no thread before its first use, so processes can be forked until then.
_executor: Final = ThreadPoolExecutor(1, "computation")


async def compute(function: Callable[[], T]) -> T:
    """Return the result of a function, which must not wait for another computation."""
    work = partial(copy_context().run, function)
    return await asyncio.get_running_loop().run_in_executor(_executor, work)


def favor_event_loop() -> None:
    """Have threads that compute pass the interpreter on sooner, for the whole process."""
    sys.setswitchinterval(SWITCH_SECONDS)
