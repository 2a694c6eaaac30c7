"""The ids of many members, read in windows: no snapshot and no connection is held between two windows.

The keys of the members come from one snapshot, as a bitmap of at most two bits for each contact. Ids never
change, so they are read later; the id of a contact that was deleted meanwhile is among the deleted contacts.
So the ids are exactly the members of that snapshot.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final
from weakref import WeakKeyDictionary

from diglot.membership.read import MemberKeys
from diglot.storage.contacts import queries
from diglot.storage.membership import deleted_contacts
from diglot.storage.sql.engine import Engine
from diglot.storage.tenant import Tenant, bind_workspace

# Reading so many ids takes about 2 ms, for which other requests wait on SQLite.
IDS_PER_READ: Final = 1_000
_TURNS: Final[WeakKeyDictionary[Engine, asyncio.Lock]] = WeakKeyDictionary()


async def load_first_ids(tenant: Tenant, keys: MemberKeys) -> list[str]:
    """Return the ids of the first window of members, newest first."""
    return await _load_ids(tenant, keys.newest(0, IDS_PER_READ))


def iterate_other_ids(
    engine: Engine, workspace: int, keys: MemberKeys
) -> AsyncIterator[Sequence[str]] | None:
    """Return the ids of the further windows of members, None if there are none."""
    return _iterate(engine, workspace, keys) if len(keys) > IDS_PER_READ else None


async def _iterate(engine: Engine, workspace: int, keys: MemberKeys) -> AsyncIterator[Sequence[str]]:
    for offset in range(IDS_PER_READ, len(keys), IDS_PER_READ):
        load = partial(_load_ids, keys=keys.newest(offset, IDS_PER_READ))
        async with take_turn(engine):
            window = await engine.read(bind_workspace(workspace, load), workspace=workspace)
        yield window


def take_turn(engine: Engine) -> asyncio.Lock:
    """Return the lock of an engine's long lists: one window at a time, so that other reads need not queue."""
    return _TURNS.setdefault(engine, asyncio.Lock())


async def _load_ids(tenant: Tenant, keys: Sequence[int]) -> list[str]:
    if (all_ids := await queries.load_all_ids(tenant, keys)) is not None:
        return all_ids
    ids = await queries.load_ids_by_key(tenant, keys)
    if missing := [key for key in keys if key not in ids]:
        ids |= await deleted_contacts.load_ids(tenant, missing)
    return [ids[key] for key in keys if key in ids]
