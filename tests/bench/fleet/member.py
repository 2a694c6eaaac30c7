"""One process of a simulated fleet: the background work of a server, without its HTTP.

`python -m bench.fleet.member URL` reads a command from each line of its standard input and answers each with
a line of JSON.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from contextvars import ContextVar
from typing import Any
from zoneinfo import ZoneInfo

from diglot.app import _render_message
from diglot.background.scheduler import Scheduler
from diglot.background.share_leases import ShareLeases
from diglot.background.worker import POLL_SECONDS, work_in_background
from diglot.model.contacts import ContactChange
from diglot.model.workspaces import Caller
from diglot.service.contacts.contacts import Contacts
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine
from diglot.storage.sql.pool.postgresql_transaction import PostgreSQLTransaction
from diglot.storage.sql.pool.sqlite.transaction import SQLiteTransaction
from diglot.webhooks.allowed_targets import parse_allowed_targets
from diglot.webhooks.deliveries import Deliveries
from diglot.webhooks.worker import deliver_in_background
from support.statements import METHODS

_WRITES: ContextVar[bool] = ContextVar("writes", default=False)
_TARGETS = parse_allowed_targets("127.0.0.0/8")


class Member:
    """A process: its leases and its background work, and writes as requests would make them."""

    def __init__(self, engine: Engine) -> None:
        background = engine.in_background()
        self._engine = engine
        self._leases = ShareLeases(background)
        self._scheduler = Scheduler(self._leases.sweeper)
        self._counts: Counter[str] = Counter()
        self._running = AsyncExitStack()
        self._writing: asyncio.Task[None] | None = None
        self._cpu = 0.0

    async def renew(self) -> dict[str, Any]:
        """Renew the leases."""
        await self._leases.renew()
        return {"shares": len(self._leases.held())}

    async def work(self) -> dict[str, Any]:
        """Run all tasks that are due, without pauses."""
        before, renewed = self._counts["background"], time.monotonic()
        while await self._scheduler.run_next_step() is not None:
            if time.monotonic() > renewed + POLL_SECONDS:
                await self._leases.renew()
                renewed = time.monotonic()
        return {"statements": self._counts["background"] - before}

    async def start(self) -> dict[str, Any]:
        """Begin the background work as a server does."""
        deliveries = Deliveries(self._leases.sweeper)
        delivering = deliver_in_background(deliveries, _TARGETS, _render_message, lambda _: None)
        await self._running.enter_async_context(delivering)
        await self._running.enter_async_context(work_in_background(self._scheduler, self._leases))
        return {}

    async def begin(self, writes: float, workspaces: int) -> dict[str, Any]:
        """Begin to count, and to make some writes a second."""
        self._counts.clear()
        self._cpu = time.process_time()
        if writes:
            self._writing = asyncio.create_task(self._write(writes, workspaces))
        return {}

    async def end(self) -> dict[str, Any]:
        """Return what was counted, and stop writing."""
        cpu = time.process_time() - self._cpu
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
            self._writing = None
        return {"cpu": cpu, **self._counts}

    async def stop(self) -> dict[str, Any]:
        """End the background work."""
        await self._running.aclose()
        return {}

    async def _write(self, writes: float, workspaces: int) -> None:
        _WRITES.set(True)
        contacts, began = Contacts(self._engine), time.monotonic()
        for number in range(2**31):
            await asyncio.sleep(max(0.0, began + number / writes - time.monotonic()))
            # Odd numbers belong to those whose clocks are measured.
            caller = Caller(random.randint(1, workspaces // 2) * 2, ZoneInfo("UTC"), "bench", frozenset())
            email = f"{random.getrandbits(64):x}@example.com"
            await contacts.create(caller, ContactChange({"email": email}))
            self._counts["writes"] += 1

    def count_statements(self) -> None:
        """Count the statements of all transactions from now on."""
        for transaction in (SQLiteTransaction, PostgreSQLTransaction):
            for name in METHODS:
                setattr(transaction, name, self._counted(getattr(transaction, name)))

    def _counted(self, method: Any) -> Any:
        async def run(*arguments: Any) -> Any:
            self._counts["by_writes" if _WRITES.get() else "background"] += 1
            return await method(*arguments)

        return run


async def _answer_commands(url: str) -> None:
    engine = create_engine(url)
    await engine.open()
    member = Member(engine)
    member.count_statements()
    while line := await asyncio.to_thread(sys.stdin.readline):
        name, *arguments = json.loads(line)
        print(json.dumps(await getattr(member, name)(*arguments)), flush=True)
        if name == "stop":
            break
    await engine.close()


if __name__ == "__main__":
    asyncio.run(_answer_commands(sys.argv[1]))
