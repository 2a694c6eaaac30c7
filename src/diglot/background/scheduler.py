"""Upkeep: what a server does by itself. Stored memberships follow time, and what is due is done in its turn.

Every process looks at the clocks. The rest is done by one process for all, as long as it holds a lease.
"""

import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from diglot.background.first_evaluation import Building
from diglot.background.retention import Retention
from diglot.background.verification import Verification
from diglot.clock import Clock, system_clock
from diglot.membership.writer import tick
from diglot.storage.background import due_work, leases
from diglot.storage.background.due_work import Place
from diglot.storage.sql.engine import Busy, Engine

Name = tuple[str | int, ...]
log = logging.getLogger("diglot.upkeep")
SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
# A clock that somebody has just set is left alone.
REST: Final = 10 * SECOND
# A process that dies leaves its lease, and another goes on when it has run out.
LEASE: Final = 45 * SECOND
# What failed is not tried again for a while, so that it holds up nothing else; nor is a segment evaluated
# again at once that somebody changed, as they may go on.
RETRY: Final = 10 * MINUTE
AGAIN: Final = 5 * SECOND
_WORK: Final = "upkeep"
# How many times as long as a step took the worker rests after it. A segment that is evaluated when it is
# read costs every reader a scan; verifying is in no hurry.
_AT_ONCE: Final = 0.0
_EVENLY: Final = 1.0
_SLOWLY: Final = 4.0


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do by steps; a step is a transaction or two and says whether there may be another."""

    name: Name
    step: Callable[[], Awaitable[bool]]
    rests: float


@dataclass(slots=True)
class _Kind:
    """Chores of a kind, looked for so often."""

    every: int
    look: Callable[[], Awaitable[Sequence[Chore]]]
    waiting: deque[Chore] = field(default_factory=deque)
    looked: int | None = None

    async def fill(self, now: int) -> None:
        """Look for more when nothing waits and it is time; a clock that was set back makes it so."""
        rests = self.looked is not None and self.looked <= now < self.looked + self.every
        if not self.waiting and not rests:
            self.looked = now
            self.waiting.extend(await self.look())


class Upkeep:
    """The background work of a process. With 0 `verify_hours` nothing is verified."""

    def __init__(
        self, engine: Engine, clock: Clock = system_clock, *, verify_hours: int = 24, history_days: int = 30
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._verify_after = verify_hours * HOUR
        self._holder = secrets.token_hex(8)
        self._building = Building(engine, clock)
        self._verification = Verification(engine, clock)
        self._retention = Retention(engine, history_days, clock)
        self._later: dict[Name, int] = {}
        # The first that has something to do is served first.
        self._kinds = (
            _Kind(0, self._builds),
            _Kind(MINUTE, self._folds),
            _Kind(HOUR, self._expiries),
            *([_Kind(MINUTE, self._verifications)] if verify_hours else []),
        )

    async def follow_time(self) -> None:
        """Do to stored memberships what time did, workspace by workspace."""
        now = self._clock()
        for workspace in await self._engine.read(partial(due_work.due_clocks, now=now, rested=now - REST)):
            try:
                await self._engine.write(partial(tick, workspace=workspace, now=self._clock(), rest=REST))
            except Exception:
                log.exception("cannot bring the memberships of workspace %d to now", workspace)

    async def lease(self) -> bool:
        """Take or keep the lease of the chores; return whether this process is to do them."""
        now = self._clock()
        try:
            return await self._engine.fleeting(
                lambda tx: leases.take(tx, _WORK, self._holder, now, now + LEASE)
            )
        except Busy:
            return False

    async def release(self) -> None:
        """Give up the lease, so that another process goes on at once."""
        with suppress(Busy):
            await self._engine.fleeting(lambda tx: leases.release(tx, _WORK, self._holder))

    async def step(self) -> float | None:
        """Do a step of what is to be done next, and return how long to rest; None where nothing is."""
        now = self._clock()
        for kind in self._kinds:
            await kind.fill(now)
            while kind.waiting:
                chore = kind.waiting.popleft()
                if self._later.get(chore.name, 0) <= now:
                    self._later.pop(chore.name, None)
                    if await self._do(chore):
                        kind.waiting.appendleft(chore)
                    return chore.rests
        return None

    async def _do(self, chore: Chore) -> bool:
        try:
            return await chore.step()
        except Exception:
            log.exception("cannot %s %s", chore.name[0], chore.name[1:])
            self._later[chore.name] = self._clock() + RETRY
            return False

    async def _builds(self) -> Sequence[Chore]:
        async def step(place: Place) -> bool:
            if not await self._building.build(place):
                self._later[_name("evaluate", place)] = self._clock() + AGAIN
            return False

        found = await self._engine.read(due_work.pending_segments)
        return [_of_segment("evaluate", one, step, _AT_ONCE) for one in found]

    async def _verifications(self) -> Sequence[Chore]:
        async def step(place: Place) -> bool:
            await self._verification.verify(place)
            return False

        before = self._clock() - self._verify_after
        found = await self._engine.read(partial(due_work.unverified, before=before))
        return [_of_segment("verify", one, step, _SLOWLY) for one in found]

    async def _folds(self) -> Sequence[Chore]:
        async def step(workspace: int) -> bool:
            await self._retention.fold(workspace)
            return False

        found = await self._retention.long_logs()
        return [Chore(("fold", one), partial(step, one), _EVENLY) for one in found]

    async def _expiries(self) -> Sequence[Chore]:
        found = await self._engine.read(due_work.every_workspace)
        return [Chore(("expire", one), partial(self._retention.expire, one), _EVENLY) for one in found]


def _of_segment(what: str, place: Place, step: Callable[[Place], Awaitable[bool]], rests: float) -> Chore:
    return Chore(_name(what, place), partial(step, place), rests)


def _name(what: str, place: Place) -> Name:
    return what, place.workspace, place.segment
