"""Whether the server should get requests: its database answers, has the right schema and room, and it stays.

`/ready` needs no key, so an answer is kept for a second, and requests that arrive meanwhile share one check:
whoever asks a thousand times makes the server look once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from functools import partial
from typing import Final

from diglot.errors import Misconfigured, Unavailable
from diglot.storage.connect import measure_free_bytes
from diglot.storage.schema import revisions

log = logging.getLogger("diglot.readiness")
OK: Final = "ok"
_DEADLINE_SECONDS: Final = 2.0
_KEPT_SECONDS: Final = 1.0
# The schema changes only by `diglot migrate`, and reading the revision opens a connection.
_SCHEMA_KEPT_SECONDS: Final = 30.0
_MEBIBYTE: Final = 1024 * 1024


class Part:
    """One thing that has to be right: `check` returns OK or what is wrong, within a deadline.

    It returns None if it cannot tell now, and the state stays what it was.
    """

    def __init__(
        self, name: str, check: Callable[[], Awaitable[str | None]], kept_seconds: float = _KEPT_SECONDS
    ) -> None:
        self.name = name
        self._check = check
        self._kept_seconds = kept_seconds
        self._state = OK
        self._until = 0.0
        self._running: asyncio.Task[None] | None = None

    async def find_state(self) -> str:
        """Return the state, which may be as old as it is kept; one check at a time finds it."""
        if time.monotonic() >= self._until:
            if self._running is None:
                # An empty context, because the check belongs to no request.
                self._running = asyncio.create_task(self._find(), context=Context())
            # A client that leaves must not end the check for the others.
            await asyncio.shield(self._running)
        return self._state

    async def _find(self) -> None:
        reason: BaseException | None = None
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                state = await self._check() or self._state
        except TimeoutError:
            state = "timed out"
        except Exception as error:  # noqa: BLE001 - whatever it is, the server is not ready
            state, reason = "unavailable", error
        if state != self._state:
            self._log_change(state, reason)
        self._state = state
        # What is wrong is looked at often, so that a server is back soon.
        self._until = time.monotonic() + (self._kept_seconds if state == OK else _KEPT_SECONDS)
        self._running = None

    def _log_change(self, state: str, reason: BaseException | None) -> None:
        if state == OK:
            log.info("%s is ok again", self.name)
        else:
            log.warning("%s is not ok: %s%s", self.name, state, "" if reason is None else f" ({reason})")


class Readiness:
    """The state of all parts; `is_draining` tells whether the server is about to stop."""

    def __init__(self, parts: Sequence[Part], is_draining: Callable[[], bool]) -> None:
        self._parts = parts
        self._is_draining = is_draining

    async def find_states(self) -> dict[str, str]:
        """Return the state of each part by its name; the server is ready if all are OK."""
        states = await asyncio.gather(*(part.find_state() for part in self._parts))
        names = [part.name for part in self._parts]
        serving = "draining" if self._is_draining() else OK
        return {**dict(zip(names, states, strict=True)), "serving": serving}


def list_parts(url: str, ping: Callable[[], Awaitable[None]], min_free_mib: int) -> list[Part]:
    """Return the parts of a server on a database; `ping` raises if the database does not answer."""
    parts = [
        Part("database", partial(_check_database, ping)),
        Part("schema", partial(_check_schema, url), _SCHEMA_KEPT_SECONDS),
    ]
    if min_free_mib:
        parts.append(Part("disk", partial(_check_disk, url, min_free_mib * _MEBIBYTE)))
    return parts


async def _check_database(ping: Callable[[], Awaitable[None]]) -> str:
    await ping()
    return OK


async def _check_schema(url: str) -> str | None:
    try:
        return OK if await revisions.read_revision(url) == revisions.LATEST else "another revision"
    except Unavailable:
        # The database is away, which is another part, or has no connection left beside those of the pool.
        return None
    except Misconfigured:
        return "unknown"


async def _check_disk(url: str, least: int) -> str:
    # A disk of a network may take its time.
    free = await asyncio.to_thread(measure_free_bytes, url)
    return OK if free is None or free >= least else "almost full"
