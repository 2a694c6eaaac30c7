"""Dry runs of imports: they count what the import then does, and write nothing."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from itertools import pairwise
from random import Random
from typing import Final

import msgspec
import pytest
import pytest_asyncio

from diglot.model.imports import ImportCounts, ImportJob, ImportOptions
from diglot.service.access.workspaces import get_or_create_workspace
from diglot.service.imports import file_memory, local
from diglot.service.imports import run as import_run
from diglot.service.imports.file_memory import HashSet
from diglot.service.imports.run import StaleError
from diglot.storage.imports import jobs
from diglot.storage.sql.engine import Engine
from diglot.storage.write_unit import lock_workspace
from support.import_world import NO_OPTIONS, NOW, World, finish
from support.reporting import SEED

DRY: Final = ImportOptions(dry_run=True)
BODY: Final = b"email,plan,opt_out\n" + b"".join(
    b"p%d@%sexample.com,%d,%s\n" % (n % 30, b"@" * (n == 17), n, b"yes" if n % 7 == 0 else b"")
    for n in range(50)
)
# The last 20 rows repeat addresses of the first 30; row 17 is invalid, and its address is new in row 47.
COUNTS: Final = ImportCounts(rows=50, created=30, updated=19, refused=1, unsubscribed=8)


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diglot.service.imports.sources.PIECE_BYTES", 100)


@pytest_asyncio.fixture
async def world(engine: Engine) -> AsyncIterator[World]:
    """Lend a workspace."""
    row = await engine.write(lambda tx: get_or_create_workspace(tx, "acme", "UTC", NOW))
    yield World(engine, row.number)


async def check_tried(world: World, job: ImportJob) -> None:
    """Check that a dry run has found what the import does, and has written nothing."""
    stored = await world.stored(job)
    assert (stored.status, stored.progress.counts) == ("done", COUNTS)
    assert stored.progress.refused_values == {"email": 1}
    assert await world.rejects(job) == [(19, "email: Invalid email", "p17@@example.com")]
    assert await world.contacts() == []


async def test_a_dry_run_of_a_command(world: World) -> None:
    """It counts what the import then does, and writes nothing, not even a job."""
    before = await world.imports.dry_run(world.workspace, io.BytesIO(BODY), NO_OPTIONS)
    assert before.dry_run.counts == COUNTS
    assert (before.custom_fields, before.warnings) == (["plan"], [])
    assert [(row.row, row.reason) for row in before.rejected] == [(19, "email: Invalid email")]
    assert await world.contacts() == []
    done = await finish(world.run(await world.begin(BODY), BODY))
    assert (done.number, done.progress.counts) == (1, COUNTS)
    after = await world.imports.dry_run(world.workspace, io.BytesIO(b"email\na@example.com"), NO_OPTIONS)
    assert after.dry_run.counts == ImportCounts(rows=1, created=1)
    assert [one.code for one in after.warnings] == ["no_opt_outs"]


async def test_a_dry_run_shows_the_first_rejected_rows(world: World) -> None:
    """All of them are counted."""
    body = b"email\n" + b"bad\n" * 30
    run = await world.imports.dry_run(world.workspace, io.BytesIO(body), NO_OPTIONS)
    assert run.dry_run.counts == ImportCounts(rows=30, refused=30)
    assert [row.row for row in run.rejected] == list(range(2, 12))
    assert run.to_progress().refused_values == {"email": 30}


async def test_a_file_that_shrinks_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run ends where the file ends now."""
    identify = local._identify
    monkeypatch.setattr(
        local, "_identify", lambda file, options: (identify(file, options)[0], len(BODY) + 10)
    )
    run = await world.imports.dry_run(world.workspace, io.BytesIO(BODY), NO_OPTIONS)
    assert run.dry_run.counts == COUNTS


async def test_a_job(world: World) -> None:
    """It is checked, tried, and has the counts of an import."""
    await check_tried(world, await finish(world.run(await world.begin(BODY, DRY), BODY)))


async def test_another_process_begins_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is stopped after any step has each row and each rejected row once in the end."""
    monkeypatch.setattr(import_run, "_CHECK_SECONDS", 0.0)
    for steps in range(1, 30, 4):
        job = await world.begin(BODY, DRY)
        run = world.run(job, BODY)
        for _ in range(steps):
            if not run.is_ended:
                await run.run_step()
        await check_tried(world, await finish(world.run(await world.stored(job), BODY)))


async def test_two_processes_run_one_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is behind begins anew, and the other notices it."""
    job = await world.begin(BODY, DRY)
    first = world.run(job, BODY)
    await first.run_step()  # checks the file
    monkeypatch.setattr(import_run, "_CHECK_SECONDS", 0.0)
    await first.run_step()
    second = world.run(first.job, BODY)
    await second.run_step()
    await second.run_step()
    with pytest.raises(StaleError):
        await first.run_step()
    await check_tried(world, await finish(second))


async def test_a_file_that_is_refused(world: World) -> None:
    """A dry run fails as the import would."""
    body = b"email,opt_out\na@example.com,perhaps\n"
    job = await finish(world.run(await world.begin(body, DRY), body))
    assert (job.status, job.progress.counts.rows) == ("failed", 0)


async def test_the_dry_run_of_a_reviewed_file(world: World) -> None:
    """A person decides what follows it; after other choices, a process that had begun begins anew."""
    options = ImportOptions(dry_run=True, is_reviewed=True)
    job = await world.begin(BODY, options)
    begun = world.run(job, BODY)
    other = replace(job, options=msgspec.structs.replace(options, tags=("june",)))
    work = partial(jobs.update_options, job=other)
    await world.engine.write(lock_workspace(world.workspace, lambda: NOW, work))
    with pytest.raises(StaleError):
        await begun.run_step()
    tried = await finish(world.run(await world.stored(job), BODY))
    assert (tried.status, tried.is_tried, tried.options.tags) == ("ready", True, ("june",))
    refused = b"email,opt_out\na@example.com,perhaps\n"
    failed = await finish(world.run(await world.begin(refused, options), refused))
    assert (failed.status, failed.is_tried) == ("ready", False)
    assert "perhaps" in (failed.error or "")


def _random_file(rng: Random) -> bytes:
    statuses = ["", "", "yes", "no"]
    lines = ["email,opt_out,plan,first_name,tags"]
    for _ in range(rng.randint(1, 60)):
        address = f"p{rng.randint(0, 25)}@{'@' * (rng.random() < 0.1)}example.com"
        cells = [rng.choice(statuses), *(rng.choice(["", "a", "b"]) for _ in range(3))]
        lines.append(",".join([address, *cells]))
    return "\n".join(lines).encode()


async def test_random_files(world: World, pytestconfig: pytest.Config) -> None:
    """A dry run counts what the import then does, with repeated addresses and contacts that exist."""
    seed = pytestconfig.stash[SEED]
    rng = Random(seed)
    for number in range(12):
        options = ImportOptions(update_existing=rng.random() < 0.7, tags=("t",) * (rng.random() < 0.3))
        body = _random_file(rng)
        run = await world.imports.dry_run(world.workspace, io.BytesIO(body), options)
        job = await finish(world.run(await world.begin(body, options), body))
        assert run.dry_run.counts == job.progress.counts, f"seed {seed}, file {number}: {body!r}"
        assert run.dry_run.refused_values == job.progress.refused_values
        assert run.dry_run.uncertain_rows == 0


@pytest.mark.parametrize(("update", "changed"), [(True, {"updated": 2}), (False, {"skipped": 2})])
async def test_forgotten_contacts(
    world: World, monkeypatch: pytest.MonkeyPatch, update: bool, changed: dict[str, int]
) -> None:
    """A row whose earlier row is forgotten is known to repeat it; what it changes is uncertain."""
    monkeypatch.setattr(file_memory, "MOST_BYTES", 500)
    body = b"email,opt_out\n" + b"".join(b"p%d@example.com,yes\n" % (n % 28) for n in range(30))
    run = await world.imports.dry_run(
        world.workspace, io.BytesIO(body), ImportOptions(update_existing=update)
    )
    unsubscribed = 30 if update else 28
    assert run.dry_run.counts == ImportCounts(rows=30, created=28, unsubscribed=unsubscribed, **changed)
    assert run.dry_run.uncertain_rows == (2 if update else 0)


def test_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are found in whatever order they were added, up to the limit."""
    texts = [f"p{n}@example.com" for n in range(3_000)]
    found = HashSet()
    for start in range(0, 2_000, 70):
        found.add(texts[start : min(start + 70, 2_000)])
    found.add(texts[:100])
    assert all(text in found for text in texts[:2_000])
    assert not any(text in found for text in texts[2_000:])
    lengths = [len(one) for one in found._sorted]
    assert sum(lengths) == 2_000
    assert all(one >= 2 * other for one, other in pairwise(lengths))
    monkeypatch.setattr(file_memory, "MOST_HASHES", 2_010)
    found.add(texts)
    assert sum(text in found for text in texts) == 2_010
