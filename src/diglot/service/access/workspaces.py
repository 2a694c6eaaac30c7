"""Workspaces: made by the operator, each with a time zone."""

from dataclasses import dataclass
from typing import Final

from diglot.clock import Clock, system_clock
from diglot.errors import Conflict, Invalid, NotFound
from diglot.membership.evaluate import evaluate_all
from diglot.membership.writer import tick
from diglot.model.workspaces import Workspace, read_zone
from diglot.service.access.passwords import check_new, hashed
from diglot.storage import workspaces
from diglot.storage.access import sessions
from diglot.storage.contacts import queries
from diglot.storage.sql.engine import Engine, Transaction

DEFAULT_ZONE: Final = "UTC"
LONGEST_NAME: Final = 100


async def get_or_create(transaction: Transaction, name: str, time_zone: str | None, now: int) -> Workspace:
    """Return the workspace of a name, made when it is new; raise `Conflict` for another time zone."""
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid.at(("workspace",), f"a workspace name has 1 to {LONGEST_NAME} printable characters")
    found = await workspaces.by_name(transaction, name)
    if found is None:
        zone = time_zone or DEFAULT_ZONE
        read_zone(zone)
        return await workspaces.create(transaction, name, zone, now)
    if time_zone not in (None, found.time_zone):
        message = f"workspace {name} has time zone {found.time_zone}: change it with `workspaces set`"
        raise Conflict("workspace", message)
    return found


@dataclass(frozen=True, slots=True)
class Workspaces:
    """The operator's calls on workspaces."""

    engine: Engine
    clock: Clock = system_clock

    async def every(self) -> list[Workspace]:
        """Return all workspaces by name."""
        return await self.engine.read(workspaces.every)

    async def set_zone(self, name: str, time_zone: str) -> None:
        """Set a workspace's time zone and rewrite what depends on it, in one transaction."""
        zone = read_zone(time_zone)

        async def work(transaction: Transaction) -> None:
            found = await workspaces.by_name(transaction, name)
            if found is None:
                raise NotFound(f"workspace {name}")
            now = self.clock()
            await tick(transaction, found.number, now)
            await workspaces.set_zone(transaction, found.number, time_zone)
            locked = await workspaces.lock(transaction, found.number)
            await queries.rederive(transaction, found.number, zone)
            await evaluate_all(transaction, found.number, locked, now)

        await self.engine.write(work)

    async def set_password(self, name: str, password: str | None) -> None:
        """Set the password that opens sessions, or None for none; the sessions there are end."""
        kept = None if password is None else hashed(check_new(password))

        async def work(transaction: Transaction) -> None:
            found = await workspaces.by_name(transaction, name)
            if found is None:
                raise NotFound(f"workspace {name}")
            await workspaces.lock(transaction, found.number, moves=False)
            await workspaces.set_password(transaction, found.number, kept)
            await sessions.end_all(transaction, found.number)

        await self.engine.write(work)
