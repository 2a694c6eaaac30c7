"""Deletes a workspace with everything in it, in parts, so that other workspaces are served meanwhile."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from diglot.errors import NotFound
from diglot.storage import removal, workspaces
from diglot.storage.sql.engine import Engine, EphemeralBusyError, Transaction, UnitOfWork
from diglot.storage.tenant import bind_workspace


@dataclass(frozen=True, slots=True)
class WorkspaceRemoval:
    """Deletes workspaces; `progress` gets the number of deleted rows and of all rows."""

    engine: Engine
    progress: Callable[[int, int], None]

    async def delete(self, name: str) -> int:
        """Delete a workspace and return the number of its rows; raise `NotFound`.

        Keys and sessions go first, and the workspace refuses other writes from then on. Its name goes last,
        so that after an interruption the same call deletes the rest.
        """
        number = await self.engine.read(partial(_find_number, name=name))
        total = await self.engine.read(bind_workspace(number, removal.count_rows))
        await self.engine.write(bind_workspace(number, removal.begin))
        done = 0
        for table in removal.TABLES:
            delete_part = partial(removal.delete_part, table=table.name)
            while deleted := await self._write_part(bind_workspace(number, delete_part)):
                done += deleted
                self.progress(min(done, total), total)
        # Without keys no request is counted any more. A row that is left counts for no later window.
        with suppress(EphemeralBusyError):
            await self.engine.run_ephemeral(bind_workspace(number, removal.delete_ephemeral))
        await self.engine.write(bind_workspace(number, workspaces.end_deletion))
        self.progress(total, total)
        return total

    async def _write_part(self, work: UnitOfWork[int]) -> int:
        """Run a part, then leave the database to others for as long as the part took."""
        started = time.monotonic()
        deleted: int = await self.engine.write(work)
        await asyncio.sleep(time.monotonic() - started)
        return deleted


async def _find_number(transaction: Transaction, name: str) -> int:
    workspace = await workspaces.find_by_name(transaction, name)
    if workspace is None:
        raise NotFound(f"workspace {name}")
    return workspace.number
