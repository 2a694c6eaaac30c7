"""When keys were last used: noted in memory with each request, written once a minute.

A read writes nothing, and no request waits: a process that dies forgets the uses of its last minute.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from diglot.storage.access import keys
from diglot.storage.sql.engine import Engine, Transaction

log = logging.getLogger("diglot")
FLUSH_SECONDS: Final = 60.0


@dataclass(slots=True)
class KeyUsage:
    """The last use of each key that this process has not written yet."""

    engine: Engine
    _pending_uses: dict[str, int] = field(default_factory=dict)

    def record_use(self, key: str, now: int) -> None:
        """Note a use."""
        self._pending_uses[key] = now

    def latest_use(self, key: str, stored_use: int | None) -> int | None:
        """Return the last use of a key that is known here: the one written, or a later one."""
        noted = self._pending_uses.get(key)
        return noted if stored_use is None else max(stored_use, noted or stored_use)

    async def flush(self) -> None:
        """Write what was noted, each key once; what cannot be written is kept for the next time."""
        noted, self._pending_uses = self._pending_uses, {}
        if not noted:
            return

        async def work(transaction: Transaction) -> None:
            await keys.record_uses(transaction, noted)

        try:
            await self.engine.write(work)
        except BaseException as error:
            self._pending_uses = noted | self._pending_uses
            if not isinstance(error, Exception):
                raise
            log.exception("cannot write the last uses of keys")

    @asynccontextmanager
    async def flush_periodically(self) -> AsyncIterator[None]:
        """Write once a minute inside the block, and at its end."""
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
