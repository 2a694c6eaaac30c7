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
WRITTEN_SECONDS: Final = 60.0


@dataclass(slots=True)
class KeyUses:
    """The last use of each key that this process has not written yet."""

    engine: Engine
    _noted: dict[str, int] = field(default_factory=dict)

    def note(self, key: str, now: int) -> None:
        """Note a use."""
        self._noted[key] = now

    def latest(self, key: str, written: int | None) -> int | None:
        """Return the last use of a key that is known here: the one written, or a later one."""
        noted = self._noted.get(key)
        return noted if written is None else max(written, noted or written)

    async def write(self) -> None:
        """Write what was noted, each key once; what cannot be written is kept for the next time."""
        noted, self._noted = self._noted, {}
        if not noted:
            return

        async def work(transaction: Transaction) -> None:
            await keys.used(transaction, noted)

        try:
            await self.engine.write(work)
        except BaseException as error:
            self._noted = noted | self._noted
            if not isinstance(error, Exception):
                raise
            log.exception("the last uses of keys cannot be written")

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write once a minute inside the block, and at its end."""
        task = asyncio.create_task(self._keep_writing())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.write()

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(WRITTEN_SECONDS)
            await self.write()
