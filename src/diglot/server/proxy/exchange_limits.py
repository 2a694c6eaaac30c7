"""Limits how many forwarded exchanges are open at once, because each holds a connection to an upstream."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from diglot.errors import ServerBusy

log: Final = logging.getLogger("diglot")
MAX_EXCHANGES: Final = 256
MAX_EXCHANGES_OF_NETWORK: Final = 64
# How long an exchange waits for others to end.
_WAIT_SECONDS: Final = 5.0
_LOG_SECONDS: Final = 60.0


class _Network:
    """The exchanges of a client's network; `users` counts those that run and those that wait."""

    def __init__(self, most: int) -> None:
        self.room = asyncio.Semaphore(most)
        self.users = 0


class ExchangeLimits:
    """The exchanges of a process, all of them and by network."""

    def __init__(
        self,
        most: int = MAX_EXCHANGES,
        most_of_network: int = MAX_EXCHANGES_OF_NETWORK,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        self._room = asyncio.Semaphore(most)
        self._most_of_network = most_of_network
        self._wait_seconds = wait_seconds
        self._networks: dict[str, _Network] = {}
        self._next_log = 0.0

    @asynccontextmanager
    async def take(self, network: str) -> AsyncIterator[None]:
        """Wait for room for an exchange of a network; raise `ServerBusy` if there is none in time."""
        own = self._networks.setdefault(network, _Network(self._most_of_network))
        own.users += 1
        try:
            async with asyncio.timeout(self._wait_seconds) as waiting:
                async with own.room, self._room:
                    waiting.reschedule(None)
                    yield
        except TimeoutError:
            if not waiting.expired():
                raise
            self._log(network)
            raise ServerBusy from None
        finally:
            own.users -= 1
            if not own.users:
                del self._networks[network]

    def _log(self, network: str) -> None:
        now = time.monotonic()
        if now >= self._next_log:
            self._next_log = now + _LOG_SECONDS
            log.warning("%s has too many open calls to upstreams, or all clients have", network or "a client")
