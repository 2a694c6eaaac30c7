"""Divides the shares of workspaces among the processes: each process holds leases on its part.

Each process also holds a lease in its own name, so that the others know how many of them live. The work of a
process that ends goes to the others at once, and that of one that dies when its leases end. While the leases
cannot be read, although the database answers, a process that holds none does all the work.
"""

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.storage.background import leases
from diglot.storage.background.leases import Lease
from diglot.storage.background.sweeper import Sweeper
from diglot.storage.sql.engine import Engine, EphemeralBusyError, Transaction
from diglot.storage.sweeps import ALL_SHARES, SHARES

SECOND: Final = 1_000_000
# If a process dies, its leases end after this time and the others continue.
LEASE_DURATION: Final = 45 * SECOND
# Leases are read at each look, and renewed at this interval.
_RENEWAL_INTERVAL: Final = 15 * SECOND
_SHARES_BY_NAME: Final = {f"background {share}": share for share in ALL_SHARES}
_NAMES: Final = {share: name for name, share in _SHARES_BY_NAME.items()}


class ShareLeases:
    """The leases of a process, and the sweeper of its shares."""

    def __init__(self, engine: Engine, clock: Clock = system_clock) -> None:
        self._engine = engine
        self._clock = clock
        self._holder = secrets.token_hex(8)
        self._own_name = f"process {self._holder}"
        self._shares: frozenset[int] = frozenset()
        self._renewed_at: int | None = None
        self._unreadable_since: int | None = None
        self.sweeper = Sweeper(engine, clock, self.held)

    def held(self) -> frozenset[int]:
        """Return the shares that this process holds now."""
        return self._shares if self._was_renewed_within(LEASE_DURATION) else frozenset()

    async def renew(self, find_share_in_use: Callable[[], int | None] = lambda: None) -> None:
        """Renew the leases if it is time, give up shares that others lack, take those that this one lacks.

        A share in use is kept, because a task of it runs.
        """
        self._shares = before = self.held()
        now = self._clock()
        try:
            divide = partial(self._divide, now=now, find_share_in_use=find_share_in_use)
            self._shares = await self._engine.run_ephemeral(divide)
            self._unreadable_since = None
        except EphemeralBusyError:
            return
        except Exception as error:  # noqa: BLE001 - the work goes on
            await self.sweeper.require_answer(error)
            self.sweeper.warn("leases", "they cannot be renewed", error)
            self._go_on_without_leases(now)
        if self._shares - before:
            self.sweeper.on_gain()

    async def release(self) -> None:
        """Release all leases, so that other processes can continue at once."""
        self._renewed_at = None
        with suppress(EphemeralBusyError):
            await self._engine.run_ephemeral(lambda tx: leases.release_all(tx, self._holder))

    def _go_on_without_leases(self, began: int) -> None:
        """Keep the shares, because only the leases cannot be read; without any, take all after a while.

        `began` is when this process last tried, which takes long if their node hangs. Processes that began
        meanwhile then do the same work several times, but none is left undone.
        """
        now = self._clock()
        if self._unreadable_since is None or began < self._unreadable_since:
            self._unreadable_since = began
        if not self._shares and now >= self._unreadable_since + LEASE_DURATION:
            self._shares = ALL_SHARES
        # The next look renews them.
        self._renewed_at = now - _RENEWAL_INTERVAL

    async def _divide(
        self, transaction: Transaction, now: int, find_share_in_use: Callable[[], int | None]
    ) -> frozenset[int]:
        until = now + LEASE_DURATION
        if not self._was_renewed_within(_RENEWAL_INTERVAL):
            await leases.renew_all(transaction, self._holder, until)
            self._renewed_at = now
        rows = await leases.list_all(transaction)
        live = [row for row in rows if row.until > now]
        if self._own_name not in {row.work for row in live}:
            await leases.take(transaction, Lease(self._own_name, self._holder, until), now)
        if any(row.until <= now - LEASE_DURATION for row in rows):
            await leases.delete_expired(transaction, now - LEASE_DURATION)
        wanted = count_fair_shares(self._holder, [row.holder for row in live])
        mine = _find_shares(row for row in live if row.holder == self._holder)
        given_up = sorted(mine - {find_share_in_use()})[: max(len(mine) - wanted, 0)]
        # No task of them begins from now on.
        self._shares -= frozenset(given_up)
        for share in given_up:
            await leases.release(transaction, _NAMES[share], self._holder)
        free = sorted(ALL_SHARES - _find_shares(live))
        taken: set[int] = set()
        for share in free:
            lease = Lease(_NAMES[share], self._holder, until)
            if len(mine) + len(taken) < wanted and await leases.take(transaction, lease, now):
                taken.add(share)
        return mine.difference(given_up) | taken

    def _was_renewed_within(self, time: int) -> bool:
        return self._renewed_at is not None and self._renewed_at <= self._clock() < self._renewed_at + time


def count_fair_shares(holder: str, holders: Iterable[str]) -> int:
    """Return how many shares a process should hold, so that all live processes together hold each once."""
    processes = sorted({holder, *holders})
    each, rest = divmod(SHARES, len(processes))
    return each + (processes.index(holder) < rest)


def _find_shares(rows: Iterable[Lease]) -> frozenset[int]:
    return frozenset(_SHARES_BY_NAME[row.work] for row in rows if row.work in _SHARES_BY_NAME)
