"""Measures single writes and imports of contacts with and without active segments.

The three workspaces hold the same contacts and receive the same changes, block by block in turn, so that
noise of the machine affects them equally. The sums are compared, because they include the compactions of the
log.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any

import msgspec

from bench.data import DAY, PLANS, TAGS, contacts
from bench.membership.meter import Cost, Part, cpu, wall
from bench.membership.notes import HUNDRED, NONE, THOUSAND
from bench.membership.report import Line, Outcome, at_least, format_number, table
from bench.membership.store import Store
from bench.progress import Progress
from diglot.app import GC_THRESHOLDS
from diglot.model.contacts import Contact, ContactChange
from diglot.model.workspaces import Caller
from diglot.storage.sql.pool.sqlite.recent_writes import RECENT_SECONDS

# More than twice the number of log rows that triggers a compaction.
CHANGES = 5_000
BLOCK = 250
BATCH = 1_000
BATCHES = 10
_NOT_SENT = ("pk", "id", "created_at", "updated_at", "tags", "attributes")
_SENT = tuple(name for name in Contact.__struct_fields__ if name not in _NOT_SENT)


async def changes(store: Store) -> Outcome:
    """Compare single updates with 0, 100 and 1,000 active segments."""
    await store.evaluate(HUNDRED, THOUSAND)
    # The changes differ between runs, because repeating the same ones would change nothing.
    planned = await planned_changes(store, CHANGES, Random(store.now))
    costs: dict[str, list[Cost]] = {name: [] for name in (NONE, HUNDRED, THOUSAND)}
    with Progress("single updates", len(costs) * CHANGES) as progress, _collecting_as_a_server():
        for first in range(0, CHANGES, BLOCK):
            block = planned[first : first + BLOCK]
            for name in _in_turn(list(costs), first // BLOCK):
                cost = await store.meter.cost(lambda name=name, block=block: _change(store, name, block))  # type: ignore[misc]
                costs[name].append(cost)
                progress.step(BLOCK)
    await store.require_right_members()
    target = 0.65 if store.postgresql else 0.45
    lines = [
        *_lines("single contact update with 1,000 live segments", costs, THOUSAND, CHANGES, target),
        *_lines("single contact update with 100 live segments", costs, HUNDRED, CHANGES, 0.6),
    ]
    return Outcome(lines, _table("single updates", costs, CHANGES))


async def imports(store: Store) -> Outcome:
    """Compare imports of batches, half of them new contacts, with 0 and 1,000 active segments."""
    await store.evaluate(HUNDRED, THOUSAND)
    rng = Random(store.now + 1)
    costs: dict[str, list[Cost]] = {name: [] for name in (NONE, HUNDRED, THOUSAND)}
    with Progress("imports", len(costs) * BATCHES) as progress, _collecting_as_a_server():
        for turn in range(BATCHES):
            batch = await next_batch(store, rng)
            for name in _in_turn(list(costs), turn):
                if not store.postgresql:
                    # Soon after writes of other workspaces, parts of an import take an eighth of the time.
                    await asyncio.sleep(RECENT_SECONDS)
                work = _importing(store, store.callers[name], batch)
                costs[name].append(await store.meter.cost(work))
                progress.step()
    await store.require_right_members()
    target = 0.5 if store.postgresql else 0.35
    what = f"import in batches of {BATCH:,} with 1,000 live segments"
    lines = _lines(what, costs, THOUSAND, BATCH * BATCHES, target)
    return Outcome(lines, _table("imports", costs, BATCH * BATCHES))


@contextmanager
def _collecting_as_a_server() -> Iterator[None]:
    """Collect garbage as a server does, which skips what it loaded before."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def change(rng: Random, now: int) -> ContactChange:
    """Return a change of the mix: half of them opens, the rest plans, tags and purchases."""
    kind = rng.random()
    if kind < 0.5:
        return ContactChange({"last_opened_at": now - rng.randrange(DAY)})
    if kind < 0.7:
        return ContactChange(attributes={"plan": rng.choice(PLANS)})
    if kind < 0.85:
        return ContactChange({"tags": rng.sample(TAGS, rng.randrange(4))})
    ltv = {"ltv": round(rng.random() * 5000, 2)}
    return ContactChange({"total_orders": rng.randrange(20)}, ltv)


def new_contact(contact: Contact, email: str) -> ContactChange:
    """Return the row with which an import creates a contact."""
    values: dict[str, Any] = {name: getattr(contact, name) for name in _SENT}
    values |= {"email": email, "tags": msgspec.json.decode(contact.tags)}
    return ContactChange(values, msgspec.json.decode(contact.attributes))


async def planned_changes(store: Store, count: int, rng: Random) -> list[tuple[str, ContactChange]]:
    """Return changes of the mix to some contacts, by id."""
    return [(id_, change(rng, store.now)) for _, id_, _ in await _some(store, count, rng)]


async def _some(store: Store, count: int, rng: Random) -> list[tuple[int, str, str]]:
    """Return the keys, ids and addresses of some of the copied contacts, each contact once."""
    keys = rng.sample(range(1, store.note.contacts + 1), min(count, store.note.contacts))
    sql = store.raw.sql("SELECT pk, id, email FROM contacts WHERE workspace = {} AND pk = {}")
    results = [(await store.raw.rows(sql, store.callers[NONE].workspace, key))[0] for key in keys]
    return [(row[0], row[1], row[2]) for row in results]


async def _change(store: Store, name: str, block: Sequence[tuple[str, ContactChange]]) -> None:
    service, caller = store.contacts(), store.callers[name]
    for id_, wanted in block:
        await service.update(caller, id_, wanted)


async def next_batch(store: Store, rng: Random) -> list[ContactChange]:
    """Return the next batch to import: half new contacts, half changes of the mix."""
    half = BATCH // 2
    existing = await _some(store, half, rng)
    batch = []
    for _, _, email in existing:
        wanted = change(rng, store.now)
        batch.append(ContactChange(wanted.values | {"email": email}, wanted.attributes))
    first = store.note.imported
    store.note.imported += half
    store.save()
    new_contacts = contacts(half, first + 1, seed=rng.getrandbits(32), now=store.now)
    batch += [
        new_contact(contact, f"new{first + index}@example.com") for index, contact in enumerate(new_contacts)
    ]
    rng.shuffle(batch)
    return batch


def _importing(store: Store, caller: Caller, batch: Sequence[ContactChange]) -> Callable[[], Awaitable[None]]:
    async def work() -> None:
        done = await store.contacts().import_all(caller, batch)
        if (done.created, done.updated) != (BATCH // 2, BATCH // 2):
            raise RuntimeError(f"an import created {done.created} contacts and updated {done.updated}")

    return work


def _in_turn(names: list[str], turn: int) -> list[str]:
    cut = turn % len(names)
    return names[cut:] + names[:cut]


def _rate(costs: Sequence[Cost], contacts_: int, part: Part) -> float:
    return contacts_ / sum(part(cost) for cost in costs)


def _lines(what: str, costs: dict[str, list[Cost]], name: str, contacts_: int, target: float) -> list[Line]:
    """Return a line of wall time, which includes every sync, and one of CPU time."""
    parts: tuple[tuple[str, Part], ...] = (("", wall), (" of CPU", cpu))
    lines = []
    for of, part in parts:
        ours, other = (_rate(costs[side], contacts_, part) for side in (name, NONE))
        beside = f"{what}, compared with 0 segments, contacts a second{of}"
        lines.append(
            at_least(beside, f"{format_number(ours)}/s", f"{format_number(other)}/s", [ours / other], target)
        )
    return lines


def _table(what: str, costs: dict[str, list[Cost]], contacts_: int) -> str:
    rows = []
    for name, found in costs.items():
        rates = [_rate(found, contacts_, part) for part in (wall, cpu)]
        beside = [
            rate / _rate(costs[NONE], contacts_, part) for rate, part in zip(rates, (wall, cpu), strict=True)
        ]
        rows.append(
            (name, *(f"{format_number(rate)}/s" for rate in rates), *(format_number(item) for item in beside))
        )
    head = (f"{what}: live segments", "a second", "a second of CPU", "ratio, wall", "ratio, CPU")
    return table(head, rows)
