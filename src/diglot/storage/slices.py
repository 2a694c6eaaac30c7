"""Slices of a long computation: the event loop gets its turn in between.

On PostgreSQL a unit of work runs on the event loop, which all requests share. A computation over many
contacts is therefore cut into slices, and each runs on another thread. On SQLite a unit already has the
thread of its connection.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

from diglot.storage.tenant import Tenant

T = TypeVar("T")
R = TypeVar("R")
# The contacts in a slice: building their rows takes about 20 ms.
SLICE_LENGTH: Final = 250
# For so few contacts the hop to another thread costs more than the computation delays other requests.
MAX_INLINE: Final = 8


def split_into_slices(items: Sequence[T], length: int = SLICE_LENGTH) -> Iterator[Sequence[T]]:
    """Yield a long sequence in slices."""
    for start in range(0, len(items), length):
        yield items[start : start + length]


async def compute_in_slices(
    tenant: Tenant, items: Sequence[T], compute: Callable[[Sequence[T]], R], length: int = SLICE_LENGTH
) -> AsyncIterator[R]:
    """Yield the result for each slice in order; `compute` must not use the transaction."""
    if len(items) <= MAX_INLINE:
        if items:
            yield compute(items)
        return
    for part in split_into_slices(items, length):
        yield await compute_off_loop(tenant, len(part), partial(compute, part))


async def compute_off_loop(tenant: Tenant, size: int, compute: Callable[[], R]) -> R:
    """Return the result of a computation over `size` items, off the event loop unless there are few."""
    return compute() if size <= MAX_INLINE else await tenant.transaction.run_off_loop(compute)
