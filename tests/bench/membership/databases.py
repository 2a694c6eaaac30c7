"""The three databases of a run: taken up where they were kept, else built."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from bench.membership import build
from bench.membership.notes import MAIN, Keyring, Note, read
from bench.membership.places import Place
from bench.membership.store import Store, opened

SMALL = 10_000
# Contacts of each workspace that is written to.
MOST_WRITTEN = 1_000_000


@dataclass(frozen=True)
class Stores:
    """The database that is read, the one that is written to, and a small one to read."""

    main: Store
    written: Store
    small: Store


@asynccontextmanager
async def databases(place: Place, contacts: int, now: int) -> AsyncIterator[Stores]:
    """Lend the databases of a run, open; what is missing or of another kind is built."""
    name = f"diglot_bench_{contacts}"
    small = "diglot_bench_small"
    if _missing(place, name, contacts) or _missing(place, _written(name), min(contacts, MOST_WRITTEN)):
        await _build(place, name, contacts, now)
    if _missing(place, small, SMALL):
        url = await place.database(small, anew=True)
        await _finish(place, small, url, await _kinds(url, await build.fill(url, SMALL, now), SMALL, now))
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(await _open(place, each, now))
            for each in (name, _written(name), small)
        ]
        yield Stores(*stores)


def _written(name: str) -> str:
    return f"{name}_written"


def _missing(place: Place, name: str, contacts: int) -> bool:
    note = read(place.note(name))
    return note is None or note.contacts != contacts


async def _build(place: Place, name: str, contacts: int, now: int) -> None:
    """Build the database that is read and the one that is written to, a copy where that is small enough."""
    written = min(contacts, MOST_WRITTEN)
    place.forget(name)
    place.forget(_written(name))
    url = await place.database(name, anew=True)
    keys = await build.fill(url, contacts, now)
    if contacts == written:
        other, other_keys = await place.copy(name, _written(name)), keys
    else:
        other = await place.database(_written(name), anew=True)
        other_keys = await build.fill(other, written, now)
    await _finish(place, name, url, await _kinds(url, keys, contacts, now))
    keyrings, live = await build.make_live(other, other_keys, written, now)
    await _finish(place, _written(name), other, Note(written, keyrings, live=live))


async def _kinds(url: str, keys: Keyring, contacts: int, now: int) -> Note:
    return Note(contacts, {MAIN: keys}, kinds=await build.make_kinds(url, keys, now))


async def _finish(place: Place, name: str, url: str, note: Note) -> None:
    await _settle(url)
    note.write(place.note(name))


async def _open(place: Place, name: str, now: int) -> AbstractAsyncContextManager[Store]:
    note = read(place.note(name))
    assert note is not None
    return opened(await place.database(name, anew=False), note, place.note(name), now)


async def _settle(url: str) -> None:
    """Have PostgreSQL clean up and look at what was built, as it would have done by and by."""
    if url.startswith("postgres"):
        connection: Any = await asyncpg.connect(url)
        await connection.execute("VACUUM ANALYZE", timeout=None)
        await connection.execute("CHECKPOINT")
        await connection.close()
