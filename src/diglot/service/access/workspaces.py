"""Workspaces: created by the operator, each with a time zone."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from diglot.clock import Clock, system_clock
from diglot.errors import Conflict, InvalidInput, NotFound
from diglot.membership.evaluate import reevaluate_all_segments
from diglot.membership.writer import open_writer
from diglot.model.workspaces import Workspace, parse_time_zone
from diglot.service.access.event_retention import set_event_days
from diglot.service.access.passwords import check_new_password, hash_password
from diglot.storage import workspaces
from diglot.storage.access import sessions
from diglot.storage.contacts.rederived_attributes import rederive_attributes
from diglot.storage.sql.engine import Engine, Transaction
from diglot.storage.write_unit import WriteUnit, lock_workspace

DEFAULT_ZONE: Final = "UTC"
MAX_NAME_LENGTH: Final = 100


async def get_or_create_workspace(
    transaction: Transaction, name: str, time_zone: str | None, now: int
) -> Workspace:
    """Return the workspace of a name, created if it is new; raise `Conflict` for a different time zone."""
    check_name(name)
    workspace = await workspaces.find_by_name(transaction, name)
    if workspace is None:
        zone = time_zone or DEFAULT_ZONE
        parse_time_zone(zone)
        return await workspaces.create(transaction, name, zone, now)
    if workspace.time_zone == workspaces.IN_DELETION:
        raise Conflict("workspace", f"workspace {name} is being deleted: run `workspaces delete` again")
    if time_zone not in (None, workspace.time_zone):
        message = f"workspace {name} has time zone {workspace.time_zone}: change it with `workspaces set`"
        raise Conflict("workspace", message)
    return workspace


def check_name(name: str) -> None:
    """Raise `InvalidInput` for a name that no workspace may have."""
    if not name.strip() or len(name) > MAX_NAME_LENGTH or not name.isprintable():
        raise InvalidInput.at(
            ("workspace",), f"a workspace name has 1 to {MAX_NAME_LENGTH} printable characters"
        )


@dataclass(frozen=True, slots=True)
class Workspaces:
    """The operator's calls on workspaces."""

    engine: Engine
    clock: Clock = system_clock

    async def list_all(self) -> list[Workspace]:
        """Return all workspaces by name."""
        return await self.engine.read(workspaces.list_all)

    async def find(self, name: str) -> Workspace:
        """Return a workspace by its name; raise `NotFound`, also if its deletion has begun."""
        workspace = await self.engine.read(partial(workspaces.find_by_name, name=name))
        if workspace is None or workspace.time_zone == workspaces.IN_DELETION:
            raise NotFound(f"workspace {name}")
        return workspace

    async def set_time_zone(self, name: str, time_zone: str) -> None:
        """Set the time zone of a workspace, and rebuild what depends on it in the same transaction."""
        zone = parse_time_zone(time_zone)
        await self.engine.write(partial(self._run, name=name, step=partial(_set_time_zone, zone=zone)))

    async def set_event_days(self, name: str, days: int) -> None:
        """Set for how many days a workspace keeps events, 0 for ever; raise `NotFound` or `Conflict`."""
        await self.engine.write(partial(self._run, name=name, step=partial(set_event_days, days=days)))

    async def rename(self, name: str, new_name: str) -> None:
        """Rename a workspace; raise `NotFound`, or `Conflict` for a name in use."""
        check_name(new_name)
        await self.engine.write(partial(self._run, name=name, step=partial(_rename, new_name=new_name)))

    async def set_password(self, name: str, password: str | None) -> None:
        """Set or remove (None) the password for browser sessions; end the existing sessions."""
        password_hash = None if password is None else hash_password(check_new_password(password))
        step = partial(_set_password, password_hash=password_hash)
        await self.engine.write(partial(self._run, name=name, step=step))

    async def _run(
        self, transaction: Transaction, name: str, step: Callable[[WriteUnit], Awaitable[None]]
    ) -> None:
        """Run a function on the locked workspace of a name; raise `NotFound`."""
        workspace = await workspaces.find_by_name(transaction, name)
        if workspace is None:
            raise NotFound(f"workspace {name}")
        await lock_workspace(workspace.number, self.clock, step)(transaction)


async def _rename(unit: WriteUnit, new_name: str) -> None:
    other = await workspaces.find_by_name(unit.transaction, new_name)
    if other is not None and other.number != unit.workspace:
        raise Conflict("workspace", f"there is a workspace {new_name} already")
    await workspaces.rename(unit, new_name)


async def _set_time_zone(unit: WriteUnit, zone: ZoneInfo) -> None:
    await open_writer(unit)
    unit.row.time_zone = zone.key
    await workspaces.set_time_zone(unit, zone.key)
    unit.renew_contacts_version()
    await rederive_attributes(unit, zone)
    await reevaluate_all_segments(unit)


async def _set_password(unit: WriteUnit, password_hash: str | None) -> None:
    await workspaces.set_password(unit, password_hash)
    await sessions.end_all(unit)
