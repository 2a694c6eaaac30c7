"""Opens the three databases of a run: reuses those that an earlier run kept, and builds the others."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.membership import build
from bench.membership.notes import MAIN, Keyring, Note, read
from bench.membership.places import Place
from bench.membership.store import Store, open_store

SMALL = 10_000
# Contacts of each workspace for writes.
MAX_WRITABLE_CONTACTS = 1_000_000


@dataclass(frozen=True)
class Stores:
    """The database for reads, the one for writes, and a small one for reads."""

    main: Store
    written: Store
    small: Store


@asynccontextmanager
async def databases(place: Place, contacts: int, now: int) -> AsyncIterator[Stores]:
    """Lend the open databases of a run; build each one that is missing or has another configuration."""
    name = f"diglot_bench_{contacts}"
    small = "diglot_bench_small"
    if is_missing(place, name, contacts) or is_missing(
        place, _written(name), min(contacts, MAX_WRITABLE_CONTACTS)
    ):
        await _build(place, name, contacts, now)
    if is_missing(place, small, SMALL):
        url = await place.database(small, anew=True)
        await finish(place, small, url, await _kinds(url, await build.fill(url, SMALL, now), SMALL, now))
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(await open_built(place, each, now))
            for each in (name, _written(name), small)
        ]
        yield Stores(*stores)


def _written(name: str) -> str:
    return f"{name}_written"


def is_missing(place: Place, name: str, contacts: int) -> bool:
    """Tell whether a database has to be built."""
    note = read(place.note(name))
    return note is None or note.contacts != contacts


async def _build(place: Place, name: str, contacts: int, now: int) -> None:
    """Build the database for reads and the one for writes, as a copy if the database is small enough."""
    written = min(contacts, MAX_WRITABLE_CONTACTS)
    place.delete(name)
    place.delete(_written(name))
    url = await place.database(name, anew=True)
    keys = await build.fill(url, contacts, now)
    if contacts == written:
        other, other_keys = await place.copy(name, _written(name)), keys
    else:
        other = await place.database(_written(name), anew=True)
        other_keys = await build.fill(other, written, now)
    await finish(place, name, url, await _kinds(url, keys, contacts, now))
    keyrings, live = await build.create_active(other, other_keys, written, now)
    await finish(place, _written(name), other, Note(written, keyrings, live=live))


async def _kinds(url: str, keys: Keyring, contacts: int, now: int) -> Note:
    return Note(contacts, {MAIN: keys}, kinds=await build.create_kinds(url, keys, now))


async def finish(place: Place, name: str, url: str, note: Note) -> None:
    """Settle a built database and describe it."""
    await _settle(url)
    note.write(place.note(name))


async def open_built(place: Place, name: str, now: int) -> AbstractAsyncContextManager[Store]:
    """Return what opens a built database."""
    note = read(place.note(name))
    assert note is not None
    return open_store(await place.database(name, anew=False), note, place.note(name), now)


async def _settle(url: str) -> None:
    """Run the maintenance (VACUUM, ANALYZE) that PostgreSQL would otherwise do during the measurements."""
    if url.startswith("postgres"):
        connection: Any = await asyncpg.connect(url)
        await connection.execute("VACUUM ANALYZE", timeout=None)
        await connection.execute("CHECKPOINT")
        await connection.close()
