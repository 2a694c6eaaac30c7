"""Turns: the slots of a pool, shared fairly among workspaces.

A workspace takes a slot only while more slots are free than it holds. So one workspace holds at most half of
a pool, two hold at most three quarters, and a workspace that comes new finds a free slot. Slots that become
free go to the waiting workspace that holds least, and among equals to the one that waits longest.
"""

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from diglot.errors import DatabaseBusy, Unavailable
from diglot.storage.sql.engine import Limits, PoolUsage
from diglot.storage.sql.pool.failures import renew

# How often waiting units are checked for their deadline.
SWEEP_SECONDS: Final = 0.25


@dataclass(slots=True)
class _Share:
    """What one workspace holds of a pool, and its units that wait."""

    held: int = 0
    succeeded_at: float = 0.0
    waiting: "deque[_Waiter]" = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class _Waiter:
    since: float
    granted: asyncio.Future[None]


class Turns:
    """The slots of a pool.

    A unit waits at most `wait_seconds` if no unit of its workspace succeeds meanwhile, because then the
    database does not get on, and at most `queue_seconds` otherwise.
    """

    def __init__(self, size: int, limits: Limits) -> None:
        self._size = self._free = size
        self._limits = limits
        self._shares: dict[Hashable, _Share] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._waits, self._wait_seconds = 0, 0.0

    async def take(self, key: Hashable) -> float:
        """Take a slot for a workspace and return how many seconds that took; raise `DatabaseBusy`."""
        share = self._shares.get(key)
        if share is None:
            share = self._shares[key] = _Share()
        if self._free > share.held and not share.waiting:
            self._free -= 1
            share.held += 1
            return 0.0
        return await self._wait(share)

    def give_back(self, key: Hashable, *, succeeded: bool) -> None:
        """Give a slot back; `succeeded` tells whether the database did what it was asked."""
        share = self._shares[key]
        share.held -= 1
        self._free += 1
        if share.waiting:
            if succeeded:
                share.succeeded_at = asyncio.get_running_loop().time()
        elif not share.held:
            del self._shares[key]
        if self._sweep is not None:
            self._hand_out()

    def resize(self, size: int) -> None:
        """Change the number of slots; what is held beyond it is not handed out again."""
        self._free += size - self._size
        self._size = size
        self._hand_out()

    def reject_waiting(self, error: Unavailable) -> None:
        """Reject all units that wait, because the database cannot be used."""
        for share in self._shares.values():
            for waiter in share.waiting:
                if not waiter.granted.done():
                    waiter.granted.set_exception(renew(error))

    def usage(self) -> PoolUsage:
        """Return the figures of the pool."""
        held = sum(share.held for share in self._shares.values())
        waiting = sum(len(share.waiting) for share in self._shares.values())
        return PoolUsage(self._size, held, waiting, self._waits, self._wait_seconds)

    async def _wait(self, share: _Share) -> float:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.time(), loop.create_future())
        share.waiting.append(waiter)
        self._waits += 1
        if self._sweep is None:
            self._sweep = loop.call_later(SWEEP_SECONDS, self._reject_late)
        try:
            await waiter.granted
        except BaseException:
            self._leave(share, waiter)
            raise
        finally:
            seconds = loop.time() - waiter.since
            self._wait_seconds += seconds
        return seconds

    def _leave(self, share: _Share, waiter: _Waiter) -> None:
        """Forget a unit that stopped waiting; a slot that it got just before goes to the next one."""
        granted = waiter.granted
        if granted.done() and not granted.cancelled() and granted.exception() is None:
            share.held -= 1
            self._free += 1
            self._hand_out()
        elif waiter in share.waiting:
            share.waiting.remove(waiter)

    def _hand_out(self) -> None:
        while self._free > 0:
            able = [
                (share.held, share.waiting[0].since, key)
                for key, share in self._shares.items()
                if share.waiting and share.held < self._free
            ]
            if not able:
                return
            _, _, key = min(able, key=lambda one: one[:2])
            share = self._shares[key]
            waiter = share.waiting.popleft()
            if not waiter.granted.done():
                self._free -= 1
                share.held += 1
                waiter.granted.set_result(None)

    def _reject_late(self) -> None:
        now = asyncio.get_running_loop().time()
        for key, share in list(self._shares.items()):
            for waiter in share.waiting:
                if self._is_late(share, now - waiter.since, now) and not waiter.granted.done():
                    waiter.granted.set_exception(self._busy())
            if not share.held and not share.waiting:
                del self._shares[key]
        waiting = any(share.waiting for share in self._shares.values())
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(SWEEP_SECONDS, self._reject_late) if waiting else None

    def _is_late(self, share: _Share, waited: float, now: float) -> bool:
        limits = self._limits
        if waited >= limits.queue_seconds:
            return True
        return waited >= limits.wait_seconds and now - share.succeeded_at >= limits.wait_seconds

    def _busy(self) -> DatabaseBusy:
        held = self._size - self._free
        return DatabaseBusy(f"no turn came in time: {held} of {self._size} are in use")
