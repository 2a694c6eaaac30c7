"""Requests are counted in slots as by statements, exactly for all processes, whatever damages the file."""

import asyncio
import fcntl
import logging
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from diglot.errors import Misconfigured
from diglot.model.workspaces import Caller
from diglot.service.access.rate_limits import Rate, RateLimits
from diglot.storage.access import rate_counts
from diglot.storage.connect import create_engine
from diglot.storage.sql.engine import Engine, EphemeralBusyError
from diglot.storage.sql.pool.sqlite import counter_file
from diglot.storage.sql.pool.sqlite.counter_file import FILE_BYTES, PAGE_BYTES, SLOT_BYTES, CounterFile
from diglot.storage.sql.request_counts import RateRequest
from diglot.storage.sql.sqlite_file import parse_sqlite_path
from diglot.storage.tenant import bind_workspace
from support.engines import SQLITE
from support.reporting import SEED, Tally

MANY: Final = Rate(1_000_000)
PROCESSES: Final = 3
TIMES: Final = 200
RANDOM_REQUESTS: Final = 3_000
MINUTE: Final = 60_000_000


def counts_file(url: str) -> Path:
    return Path(f"{parse_sqlite_path(url)}-ephemeral-counts")


async def opened(stack: AsyncExitStack, url: str) -> Engine:
    engine = create_engine(url)
    await engine.open()
    stack.push_async_callback(engine.close)
    return engine


async def count(engine: Engine, key: str = "key") -> int | None:
    """Count a request of a key; return the count, None if it was not counted."""
    caller = Caller(1, ZoneInfo("UTC"), key, frozenset())
    allowance = await RateLimits(engine, lambda: 0).consume_of(caller, "bucket", MANY)
    return None if allowance is None else MANY.requests - allowance.remaining


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    """Lend a migrated file."""
    async with SQLITE.fresh() as lent:
        yield lent


@pytest_asyncio.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend an engine."""
    async with AsyncExitStack() as stack:
        yield await opened(stack, url)


async def test_slots_count_as_statements_do(
    engine: Engine, pytestconfig: pytest.Config, tally: Tally
) -> None:
    """Windows fixed and sliding, keys alone and with a shared rate, and windows without a request."""
    rng, now = Random(pytestconfig.stash[SEED]), 1_772_366_410_000_000
    counters = engine.request_counters
    assert counters is not None
    print(f"--random-seed {pytestconfig.stash[SEED]}")
    for _ in range(RANDOM_REQUESTS):
        now += rng.choice((0, 0, 1_000_000, 20_000_000, MINUTE, 2 * MINUTE))
        seconds, sliding = rng.choice((60, 3_600)), rng.choice((True, False))
        window, elapsed = divmod(now, seconds * 1_000_000)
        overlap = seconds * 1_000_000 - elapsed if sliding else 0
        place = (f"{seconds} {sliding}", window, overlap, seconds * 1_000_000)
        request = RateRequest(rng.choice("abc"), *place, rng.choice((3, 10)), rng.choice((0, 15)))
        workspace = rng.choice((1, 2))
        by_statement = rate_counts.count_with_shared if request.shared_requests else rate_counts.count_request
        counting = bind_workspace(workspace, partial(by_statement, request=request))
        expected = await engine.run_ephemeral(counting)
        assert counters.count(workspace, request) == expected
    tally("requests counted in slots as by statements", "sqlite", RANDOM_REQUESTS)


def overwrite(file: Path, offset: int, content: bytes) -> None:
    with file.open("r+b") as opened_file:
        opened_file.seek(offset)
        opened_file.write(content)


DAMAGES: Final[dict[str, Callable[[Path], None]]] = {
    "empty": lambda file: os.truncate(file, 0),
    "cut in the first page": lambda file: os.truncate(file, 100),
    "cut in a page": lambda file: os.truncate(file, PAGE_BYTES + 100),
    "longer": lambda file: os.truncate(file, FILE_BYTES + 1),
    "no file of counts": lambda file: overwrite(file, 0, b"SQLite format 3"),
    "zeroed": lambda file: overwrite(file, 0, bytes(FILE_BYTES)),
    "random": lambda file: overwrite(file, 0, Random(1).randbytes(FILE_BYTES)),
}
each_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())


@each_damage
async def test_damage_is_repaired_at_the_start(
    url: str, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The counts begin anew, two engines share them, and the main file is left alone."""
    async with AsyncExitStack() as stack:
        async with AsyncExitStack() as before:
            engine = await opened(before, url)
            assert [await count(engine), await count(engine)] == [1, 2]
        main = parse_sqlite_path(url).read_bytes()
        damage(counts_file(url))
        first, second = await opened(stack, url), await opened(stack, url)
        assert [await count(first), await count(second)] == [1, 2]
        warned = [one for one in caplog.messages if str(counts_file(url)) in one]
        assert len(warned) == (0 if damage is DAMAGES["empty"] else 1)
        assert parse_sqlite_path(url).read_bytes() == main


@each_damage
async def test_damage_fails_no_request_while_serving(url: str, damage: Callable[[Path], None]) -> None:
    """Counts go on, exactly for all engines, if any of them met the damage."""
    async with AsyncExitStack() as stack:
        first, second = await opened(stack, url), await opened(stack, url)
        await count(first)
        damage(counts_file(url))
        assert await count(first, "before")
        counted = [await count(each, "another") for each in (first, second, first, second)]
        assert counted == [1, 2, 3, 4]


async def test_slots_that_were_never_written_are_free(url: str, engine: Engine) -> None:
    """Random bytes are the slots of nobody, and give way to counts."""
    overwrite(counts_file(url), PAGE_BYTES, Random(2).randbytes(FILE_BYTES - PAGE_BYTES))
    for key in range(200):
        assert [await count(engine, str(key)) for _ in range(3)] == [1, 2, 3]


async def test_a_file_deleted_while_serving_is_created_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two engines would count separately if one of them stayed with the deleted file."""
    monkeypatch.setattr(counter_file, "LOOK_SECONDS", 0.0)
    async with AsyncExitStack() as stack:
        first, second = await opened(stack, url), await opened(stack, url)
        await count(first)
        counts_file(url).unlink()
        assert [await count(each) for each in (first, second, first)] == [1, 2, 3]


async def test_a_file_that_cannot_be_opened(
    url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While serving, requests are served without a count until it can; at the start, its name is told."""
    monkeypatch.setattr(counter_file, "LOOK_SECONDS", 0.0)
    counts_file(url).unlink()
    counts_file(url).mkdir()
    assert await count(engine) is None
    assert "-ephemeral-counts' is not usable" in caplog.text
    with pytest.raises(Misconfigured, match=r"diglot\.db-ephemeral-counts' cannot be opened"):
        await create_engine(url).open()
    counts_file(url).rmdir()
    assert await count(engine) == 1


async def test_a_file_that_stays_away_is_looked_for_again(engine: Engine) -> None:
    """Between two looks requests are served without a count."""
    counters: Any = engine.request_counters
    counters.close()
    counters._next_look = float("inf")
    assert await count(engine) is None
    counters._next_look = 0
    assert await count(engine) == 1


@contextmanager
def held(url: str) -> Iterator[None]:
    with counts_file(url).open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def test_a_held_lock_does_not_block_a_response(
    url: str, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """If the lock is held too long, the request is served and the log says so."""
    with held(url):
        assert await count(engine) is None
    assert "is not usable" in caplog.text
    assert await count(engine) == 1


async def test_a_file_system_without_locks(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single process, as on most of them, counts as ever."""

    def fail(*_: object) -> None:
        raise OSError("no locks")

    monkeypatch.setattr(fcntl, "flock", fail)
    assert [await count(engine), await count(engine)] == [1, 2]


async def test_new_counts_of_one_page_have_slots_of_their_own(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also two that one request makes."""
    monkeypatch.setattr(
        counter_file, "_locate", lambda *key: (blake2b(repr(key).encode(), digest_size=16).digest(), 0)
    )
    monkeypatch.setattr(counter_file, "PROBED_PAGES", 1)
    counters = engine.request_counters
    assert counters is not None

    def ask(workspace: int, window: int = 5) -> int:
        return counters.count(workspace, RateRequest("key", "b", window, 0, MINUTE, 9, 9)).current

    def ask_shared(workspace: int, window: int = 5) -> int:
        return counters.count(workspace, RateRequest("workspace", "b", window, 0, MINUTE, 9)).current

    half = PAGE_BYTES // SLOT_BYTES // 2
    for number in (1, 2):
        assert [ask(10 + each) for each in range(half)] == [number] * half
    # Two windows later all slots are free.
    assert ask(1, 7) == 1
    assert [ask(10 + each, 7) for each in range(half - 1)] == [1] * (half - 1)
    assert (ask(1, 7), ask_shared(1, 7)) == (2, 3)


async def test_both_counts_of_a_request_are_in_one_page(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that it is read and written once, by whichever key of the workspace."""
    counters = engine.request_counters
    assert counters is not None
    keys = [RateRequest(key, "b", 5, 0, MINUTE, 9, 99) for key in "abcdef"]
    for request in keys:
        counters.count(1, request)
    calls: list[str] = []

    def note(name: str) -> Callable[..., Any]:
        original = getattr(os, name)

        def run(*values: Any) -> Any:
            calls.append(name)
            return original(*values)

        return run

    for name in ("pread", "pwrite"):
        monkeypatch.setattr(os, name, note(name))
    for number, request in enumerate(keys, 1):
        assert counters.count(1, request).current == 2
        assert calls == ["pread", "pwrite"] * number


async def test_a_full_file_loses_one_count(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The new key is counted; the log tells the operator."""
    monkeypatch.setattr(counter_file, "_locate", lambda *key: (repr(key).encode().rjust(16)[-16:], 0))
    slots = counter_file.PROBED_PAGES * PAGE_BYTES // SLOT_BYTES
    for key in range(slots):
        assert await count(engine, f"{key:04}") == 1
    assert not caplog.messages
    assert await count(engine, "one more") == 1
    assert [await count(engine, f"{key:04}") for key in range(1, slots)] == [2] * (slots - 1)
    assert "more requests are counted than the file of counts has room for" in caplog.text


async def test_a_digest_that_lies_across_two_slots_is_no_count(
    url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a slot begins with one."""
    digest = b"0123456789abcdef"
    monkeypatch.setattr(counter_file, "_locate", lambda *_: (digest, 0))
    overwrite(counts_file(url), PAGE_BYTES + 20, digest + bytes(8) + digest)
    assert [await count(engine), await count(engine)] == [1, 2]


async def test_a_busy_file_raises_what_the_service_expects(url: str, engine: Engine) -> None:
    """Nobody else has to know that the counts are in a file."""
    counters: Any = engine.request_counters
    assert isinstance(counters, CounterFile)
    with held(url), pytest.raises(EphemeralBusyError):
        counters.count(1, RateRequest("key", "bucket", 1, 0, MINUTE, 5))


def serve(url: str, barrier: Any, times: int) -> None:
    """Count requests of one key; `times` of 0 is without end."""
    logging.disable()

    async def work() -> None:
        async with AsyncExitStack() as stack:
            engine = await opened(stack, url)
            barrier.wait()
            counted = 0
            while not times or counted < times:
                counted += await count(engine, "mine" if times else f"{os.getpid()}") is not None

    asyncio.run(work())


async def test_processes_count_exactly(url: str) -> None:
    """Each request of each process is counted once, also beside one that is killed again and again."""
    spawned = multiprocessing.get_context("spawn")
    barrier = spawned.Barrier(PROCESSES + 2, timeout=60)
    processes = [spawned.Process(target=serve, args=(url, barrier, TIMES)) for _ in range(PROCESSES)]
    doomed = spawned.Process(target=serve, args=(url, barrier, 0))
    for process in (*processes, doomed):
        process.start()
    barrier.wait()
    await asyncio.sleep(0.05)
    assert doomed.pid is not None
    os.kill(doomed.pid, signal.SIGKILL)
    for process in (*processes, doomed):
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    async with AsyncExitStack() as stack:
        engine = await opened(stack, url)
        assert await count(engine, "mine") == PROCESSES * TIMES + 1
        # What the killed process counted is still there.
        counted = await count(engine, f"{doomed.pid}")
        assert counted is not None
        assert counted > 1
