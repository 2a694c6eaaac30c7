"""Sweeps lists of workspaces, and halves those that fail until each workspace that fails stands alone."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from diglot.errors import DatabaseAway, DeadlineExceeded

T = TypeVar("T")
# So many failures without a success are no fault of single workspaces.
MAX_FAILURES: Final = 64
# After so many late lists a look leaves the rest to the next one, because each took as long as a look may.
MAX_LATE: Final = 4
Part = Sequence[int]


def is_of_node(error: BaseException | None) -> bool:
    """Tell whether a failure may be one of the node that has the workspaces."""
    return isinstance(error, (DatabaseAway, DeadlineExceeded))


@dataclass(slots=True)
class PartSearch(Generic[T]):
    """One look at parts of the workspaces.

    `read` reads a part, `on_failure` raises if a failure concerns the whole database. `alone` are the
    workspaces that failed by themselves, `left` the parts that failed and that the next look has to halve on.
    """

    read: Callable[[Part], Awaitable[Sequence[T]]]
    on_failure: Callable[[Exception], Awaitable[None]]
    found: list[T] = field(default_factory=list)
    alone: list[tuple[int, Exception]] = field(default_factory=list)
    left: list[Part] = field(default_factory=list)
    _failures: int = 0
    _late: int = 0

    async def run(self, parts: Sequence[Part]) -> None:
        """Read all parts, those of one size at once; raise the failure of all of them."""
        while parts:
            errors = await asyncio.gather(*map(self._try, parts))
            failed = [(part, error) for part, error in zip(parts, errors, strict=True) if error is not None]
            if failed:
                await self.on_failure(failed[0][1])
            self._failures = self._failures + len(failed) if len(failed) == len(parts) else 0
            parts = [half for part, error in failed for half in self._halve(part, error)]
            if self._failures + len(parts) > MAX_FAILURES:
                raise failed[0][1]

    async def _try(self, part: Part) -> Exception | None:
        try:
            self.found += await self.read(part)
        except Exception as error:  # noqa: BLE001 - the other parts go on
            return error
        return None

    def _halve(self, part: Part, error: Exception) -> Sequence[Part]:
        """Return the parts to read next in place of one that failed."""
        self._late += isinstance(error, DeadlineExceeded)
        half = len(part) // 2
        if not half:
            self.alone.append((part[0], error))
            return ()
        halves = part[:half], part[half:]
        if isinstance(error, DeadlineExceeded) and self._late >= MAX_LATE:
            self.left += halves
            return ()
        return halves
