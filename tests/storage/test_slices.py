"""Long computations run in slices off the event loop, so that other requests get their turns."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import pytest
import pytest_asyncio
from sqlalchemy.sql.elements import ClauseElement

from diglot.service.contacts import bulk_writes
from diglot.service.parts import LARGEST_PART
from diglot.storage import slices
from diglot.storage.contacts import scans
from diglot.storage.slices import MAX_INLINE, SLICE_LENGTH
from diglot.storage.sql.backend import Backend, Sql
from diglot.storage.tenant import Tenant
from support.servers.api_clients import dialect_clients
from support.servers.in_process import Server, serving

T = TypeVar("T")
PEOPLE = 1_200
RULES = [
    {"field": "tags", "operator": "contains", "value": "old"},
    *({"field": f"field{number}", "operator": "equals", "value": "x"} for number in range(40)),
]


@pytest_asyncio.fixture
async def server(url: str) -> AsyncIterator[Server]:
    """Lend a server on a database of the test's own."""
    async with serving(url) as server:
        yield server


@asynccontextmanager
async def heartbeat() -> AsyncIterator[Callable[[], int]]:
    """Count the turns that the event loop gives to others inside the block."""
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(beat())
    yield lambda: beats
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_large_writes_leave_the_event_loop_to_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No computation over many contacts runs on the thread of the loop."""
    computed: list[tuple[int, bool]] = []
    loop_thread = threading.get_ident()

    async def note(tenant: Tenant, size: int, compute: Callable[[], T]) -> T:
        def wrapped() -> T:
            computed.append((size, threading.get_ident() == loop_thread))
            return compute()

        return await compute_off_loop(tenant, size, wrapped)

    compute_off_loop = slices.compute_off_loop
    for module in (slices, bulk_writes):
        monkeypatch.setattr(module, "compute_off_loop", note)
    misar, topmail = await dialect_clients(server)
    criteria = {
        "operator": "OR",
        # With a relative date, so that the instants of the contacts are compared, too.
        "rules": [*RULES, {"field": "last_opened_at", "operator": "in_last_days", "value": 7}],
    }
    segment = (await misar.create("many rules", criteria))["id"]
    rows = [{"email": f"{number}@example.com", "tags": ["old"]} for number in range(PEOPLE)]
    async with heartbeat() as beats:
        await misar.request("POST", "/contacts/import", {"contacts": rows})
        imported = len(computed)
        assert beats() > imported > 3 * PEOPLE // SLICE_LENGTH
        tag = next(tag["id"] for tag in (await topmail.request("GET", "/tags"))["data"])
        before = beats()
        await topmail.request("PATCH", f"/tags/{tag}", {"name": "new"})
        renamed = len(computed) - imported
        assert beats() - before > renamed > 2 * PEOPLE // SLICE_LENGTH
    # The rule follows the rename.
    assert (await misar.get(segment))["contact_count"] == PEOPLE
    assert max(size for size, _ in computed) <= LARGEST_PART
    assert [size for size, on_loop in computed if on_loop and size > MAX_INLINE] == []


async def test_statements_with_many_rules_are_compiled_off_the_event_loop(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dry runs and new segments of many rules build their SQL on another thread."""
    compiled: list[tuple[str, bool]] = []
    loop_thread = threading.get_ident()

    def note(purpose: str, backend: Backend, shape: str, build: Callable[[], ClauseElement]) -> Sql:
        compiled.append((purpose, threading.get_ident() == loop_thread))
        return compile_once(purpose, backend, shape, build)

    compile_once = scans.compile_once
    monkeypatch.setattr(scans, "compile_once", note)
    misar, _ = await dialect_clients(server)
    criteria = {"operator": "OR", "rules": RULES}
    await misar.request("POST", "/segments/dry-run", {"filter_criteria": criteria})
    await misar.create("many rules", criteria)
    assert [purpose for purpose, _ in compiled] == ["dry counts", scans.KEYS]
    assert [purpose for purpose, on_loop in compiled if on_loop] == []
