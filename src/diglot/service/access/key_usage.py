"""Records when keys were last used: in memory with each request, in the database once a minute.

So reads stay read-only and no request waits for a write. A process that dies loses the uses of its last
minute.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from diglot.errors import Unavailable
from diglot.storage.access import keys
from diglot.storage.sql.engine import Engine

log = logging.getLogger("diglot")
FLUSH_SECONDS: Final = 60.0


@dataclass(slots=True)
class KeyUsage:
    """The last use of each key, until this process has written it."""

    engine: Engine
    _pending_uses: dict[str, int] = field(default_factory=dict)

    def record_use(self, key: str, now: int) -> None:
        """Record a use."""
        self._pending_uses[key] = now

    def latest_use(self, key: str, stored_use: int | None) -> int | None:
        """Return the last use of a key: the stored one, or a later one in memory."""
        pending = self._pending_uses.get(key)
        return pending if stored_use is None else max(stored_use, pending or stored_use)

    async def flush(self) -> None:
        """Write the pending uses, one for each key; after an error they stay pending."""
        pending, self._pending_uses = self._pending_uses, {}
        if not pending:
            return
        try:
            await self.engine.write(partial(keys.record_uses, uses=pending))
        except BaseException as error:
            self._pending_uses = pending | self._pending_uses
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, Unavailable):
                log.exception("cannot write the last uses of keys")

    @asynccontextmanager
    async def flush_periodically(self) -> AsyncIterator[None]:
        """Flush once a minute inside the block, and at its end."""
        task = asyncio.create_task(self._flush_forever())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.flush()

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
